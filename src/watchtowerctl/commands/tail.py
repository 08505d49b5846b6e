"""``watchtowerctl tail``: events as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchtowerctl import filters
from watchtowerctl.api import connect
from watchtowerctl.event_row import event_line
from watchtowerctl.follow import follow
from watchtowerctl.output import emit, print_json, say
from watchtowerctl.unknown_hosts import say_unknown_hosts

if TYPE_CHECKING:
    from collections.abc import Iterator


def tail(
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
    lines: Annotated[
        int | None,
        typer.Option("--lines", "-n", metavar="N", min=1, help="begin with the newest so many"),
    ] = None,
    json: filters.Json = False,
) -> None:
    """Show events from now on, as they come. Ctrl-C ends it."""
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
    earliest = filters.time_range(since, None)
    api = connect()

    def connected() -> None:
        left_out = filters.left_out(kind, heartbeats)
        say(f"Waiting for events of {api.url}; Ctrl-C ends it.{left_out}")
        say_unknown_hosts(api, host)

    def earlier(last: int) -> Iterator[dict[str, Any]]:
        # What is stored after the event ``last`` the stream gives.
        found, _ = api.newest("/events", [*parameters, *earliest], lines)
        if ahead := filters.dated_ahead(found, earliest):
            say(ahead.strip())
        return (event for event in reversed(found) if event.get("id", 0) <= last)

    begin = earlier if since is not None or lines is not None else None
    for event in follow(api, parameters, connected=connected, earlier=begin):
        if json:
            print_json(event, flush=True)
        else:
            emit(event_line(event) + "\n", flush=True)
