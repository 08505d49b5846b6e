"""Names of hosts that are not known: a misspelt one finds nothing, and that looks like quiet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watchtowerctl.errors import CommandError
from watchtowerctl.output import say
from watchtowerctl.text import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchtowerctl.api import Api


def say_unknown_hosts(api: Api, names: Sequence[str] | None) -> None:
    """Say of which names no host is known. It is a hint: without an answer nothing is said."""
    for name in names or ():
        try:
            known = api.ask("GET", "/hosts", [("hostname", name), ("limit", "1")])
        except CommandError:
            return
        if known == []:
            say(f"No host {quoted(name)} is known: watchtowerctl hosts shows those that are.")
