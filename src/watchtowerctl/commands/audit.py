"""``watchtowerctl audit``: who asked the collector what."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from watchtowerctl import filters
from watchtowerctl.api import connect
from watchtowerctl.errors import USAGE, CommandError
from watchtowerctl.moments import local
from watchtowerctl.output import print_json, say
from watchtowerctl.table import print_table

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
    for one in path or ():
        if not one.startswith(("/", "*")):
            raise CommandError(USAGE, f"--path {one!r} can never be: paths begin with /")
        parameters.append(("path", one))
    api = connect()
    if json:
        for entry in api.items("/admin/audit", parameters, wanted):
            print_json(entry)
        return
    found, more = api.newest("/admin/audit", parameters, wanted)
    found.reverse()
    print_table(COLUMNS, map(_row, found))
    say(filters.found_in_words(len(found), "request", parameters, more=more))


def _row(entry: dict[str, Any]) -> list[object]:
    names = ("address", "key", "status", "method", "path", "query", "detail")
    return [local(entry.get("at")), *map(entry.get, names)]
