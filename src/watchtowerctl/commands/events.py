"""``watchtowerctl events``: what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer  # noqa: TC002  # Typer reads the annotation

from watchtowerctl import filters
from watchtowerctl.api import connect
from watchtowerctl.documents import emit_csv
from watchtowerctl.event_row import COLUMNS, event_row, event_style
from watchtowerctl.output import emit, print_json, say
from watchtowerctl.table import print_table
from watchtowerctl.unknown_hosts import say_unknown_hosts

if TYPE_CHECKING:
    from watchtowerctl.api import Api, Parameters


def events(
    context: typer.Context,
    user: filters.User = None,
    host: filters.Host = None,
    kind: filters.Type = None,
    heartbeats: filters.Heartbeats = False,
    source: filters.Source = None,
    method: filters.Method = None,
    region: filters.Region = None,
    group: filters.Group = None,
    severity: filters.Severity = None,
    flagged: filters.Flagged = None,
    text: filters.Text = None,
    since: filters.Since = None,
    until: filters.Until = None,
    limit: filters.Limit = 50,
    everything: filters.All = False,
    json: filters.Json = False,
    csv: filters.Csv = False,
) -> None:
    """Show events. The table has the newest last; --json and --csv begin with the newest."""
    filters.check_form(json=json, csv=csv)
    wanted = filters.how_many(context, limit, everything)
    parameters = filters.event_filters(
        user=user,
        host=host,
        kind=kind,
        heartbeats=heartbeats,
        source=source,
        method=method,
        region=region,
        group=group,
        severity=severity,
        flagged=flagged,
        text=text,
    )
    parameters += filters.time_range(since, until)
    api = connect()
    left_out = filters.left_out(kind, heartbeats)
    if csv:
        _print_csv(api, parameters, wanted)
    elif json:
        for event in api.items("/events", parameters, wanted):
            print_json(event)
    else:
        found, more = api.newest("/events", parameters, wanted)
        found.reverse()
        print_table(COLUMNS, map(event_row, found), map(event_style, found))
        in_words = filters.found_in_words(len(found), "event", parameters, more=more)
        say(in_words + filters.dated_ahead(found, parameters) + left_out)
        if not found:
            say_unknown_hosts(api, host)
    if left_out and (csv or json):
        emit("", flush=True)  # what cannot be written comes first
        say(left_out.strip())


def _print_csv(api: Api, parameters: Parameters, wanted: int | None) -> None:
    # Page by page: Caddy ends an answer after 5 minutes. As it comes, but for the header, which
    # only the first page may have.
    left = wanted
    for number, response in enumerate(
        api.pages("/events", [*parameters, ("format", "csv")], wanted)
    ):
        header, *rows = _csv_rows(response.read().decode("utf-8", "replace"))
        lines = rows if left is None else rows[:left]
        whole = "".join(lines if number else [header, *lines])
        emit_csv(whole)
        if left is not None:
            left -= len(lines)


def _csv_rows(text: str) -> list[str]:
    """Cut CSV into its records, each with its line break (RFC 4180)."""
    records, begin = [""] * 0, 0
    place = text.find("\r\n")
    while place >= 0:
        # Inside quotation marks, of which there is an odd number before, it is part of a cell.
        if text.count('"', begin, place) % 2 == 0:
            records.append(text[begin : place + 2])
            begin = place + 2
        place = text.find("\r\n", place + 2)
    return [*records, text[begin:]] if begin < len(text) else records or [""]
