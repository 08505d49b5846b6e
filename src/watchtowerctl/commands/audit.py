"""``watchtowerctl audit``: who asked the collector what."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from watchtowerctl import filters
from watchtowerctl.api import connect
from watchtowerctl.documents import print_documents
from watchtowerctl.errors import USAGE, CommandError
from watchtowerctl.moments import local
from watchtowerctl.output import say
from watchtowerctl.table import print_table

COLUMNS = ("Time", "Address", "Key", "Status", "Method", "Path", "Query", "Detail")
FIELDS = ("id", "at", "key", "address", "method", "path", "query", "status", "detail")


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
    csv: filters.Csv = False,
) -> None:
    """Show who asked the collector what. The table has the newest last, --json and --csv first."""
    filters.check_form(json=json, csv=csv)
    wanted = filters.how_many(context, limit, everything)
    parameters = filters.time_range(since, until)
    for one in path or ():
        if not one.startswith(("/", "*")):
            raise CommandError(USAGE, f"--path {one!r} can never be: paths begin with /")
        parameters.append(("path", one))
    api = connect()
    if json or csv:
        print_documents(api.items("/admin/audit", parameters, wanted), FIELDS, as_csv=csv)
        return
    found, more = api.newest("/admin/audit", parameters, wanted)
    found.reverse()
    print_table(COLUMNS, map(_row, found))
    say(filters.found_in_words(len(found), "request", parameters, more=more))


def _row(entry: dict[str, Any]) -> list[object]:
    names = ("address", "key", "status", "method", "path", "query", "detail")
    return [local(entry.get("at")), *map(entry.get, names)]
