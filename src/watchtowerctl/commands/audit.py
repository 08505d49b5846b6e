"""``watchtowerctl audit``: who asked the collector what."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from watchtowerctl import filters
from watchtowerctl.api import connect
from watchtowerctl.moments import show_text
from watchtowerctl.output import print_json, print_table, say

COLUMNS = ("Time", "Address", "Key", "Status", "Method", "Path", "Query", "Detail")


def audit(
    context: typer.Context,
    since: filters.Since = None,
    until: filters.Until = None,
    path: Annotated[
        list[str] | None,
        typer.Option(
            "--path",
            metavar="PATH",
            help="only this path, or /admin/* for all below; several allowed",
        ),
    ] = None,
    limit: filters.Limit = 50,
    everything: filters.All = False,
    json: filters.Json = False,
) -> None:
    """Show who asked the collector what. The table has the newest last, --json first."""
    wanted = filters.how_many(context, limit, everything)
    parameters = filters.time_range(since, until)
    words = filters.range_in_words(parameters)
    parameters += [("path", one) for one in path or ()]
    items = connect().items("/admin/audit", parameters, wanted)
    if json:
        for entry in items:
            print_json(entry)
        return
    found = list(items)
    found.reverse()
    print_table(COLUMNS, map(_row, found))
    say(f"{len(found)} {'request' if len(found) == 1 else 'requests'}, {words}.")
    if len(found) == wanted:
        say("There may be more: --limit or --all shows them.")


def _row(entry: dict[str, Any]) -> list[object]:
    names = ("address", "key", "status", "method", "path", "query", "detail")
    return [show_text(entry.get("at")), *map(entry.get, names)]
