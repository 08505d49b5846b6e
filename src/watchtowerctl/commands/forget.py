"""``watchtowerctl forget``: a host that is gone for good."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from watchtowerctl.api import connect
from watchtowerctl.output import say


def forget(
    host: Annotated[str, typer.Argument(metavar="HOST", help="the host's name, as in its events")],
) -> None:
    """Forget a host that is gone, so that it is no longer silent. Its events stay."""
    # Dots, too: a path that ends in /.. is another one.
    path = f"/hosts/{quote(host, safe='').replace('.', '%2E')}"
    connect().ask("DELETE", path, absent=f"there is no host {host}")
    say(f"{host} is forgotten until its next event. Its tokens: watchtowerctl token list")
