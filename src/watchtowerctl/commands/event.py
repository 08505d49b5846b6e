"""``watchtowerctl event``: one event with all its fields."""

from __future__ import annotations

from typing import Annotated

import typer

from watchtowerctl import filters
from watchtowerctl.api import connect, one_object
from watchtowerctl.moments import show_text
from watchtowerctl.output import print_fields, print_json

_TIMES = ("timestamp", "received_at", "gap_since", "gap_until", "started_at")


def event(
    number: Annotated[int, typer.Argument(metavar="ID", min=1, help="as events shows it")],
    json: filters.Json = False,
) -> None:
    """Show one event, whole. Times are in your time zone; --json has them as they came."""
    api = connect()
    answer = api.ask("GET", f"/events/{number}", absent=f"there is no event {number}")
    found = one_object(answer, api.url)
    if json:
        print_json(found)
        return
    print_fields(
        (name, show_text(value) if name in _TIMES else _said(value))
        for name, value in found.items()
        if value is not None
    )


def _said(value: object) -> object:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
