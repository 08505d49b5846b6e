"""``watchtowerctl tail``: events as they come."""

from __future__ import annotations

import sys

from watchtowerctl import filters
from watchtowerctl.api import connect
from watchtowerctl.event_row import event_row
from watchtowerctl.follow import follow
from watchtowerctl.output import print_json, say
from watchtowerctl.text import visible


def tail(
    user: filters.User = None,
    host: filters.Host = None,
    kind: filters.Type = None,
    source: filters.Source = None,
    method: filters.Method = None,
    region: filters.Region = None,
    group: filters.Group = None,
    severity: filters.Severity = None,
    flagged: filters.Flagged = None,
    text: filters.Text = None,
    json: filters.Json = False,
) -> None:
    """Show events from now on, as they come. Ctrl-C ends it."""
    parameters = filters.event_filters(
        user=user,
        host=host,
        kind=kind,
        source=source,
        method=method,
        region=region,
        group=group,
        severity=severity,
        flagged=flagged,
        text=text,
    )
    api = connect()
    say(f"Waiting for events of {api.url}; Ctrl-C ends it.")
    for event in follow(api, parameters):
        if json:
            print_json(event)
        else:
            cells = [visible(cell) for cell in event_row(event) if cell not in {None, ""}]
            sys.stdout.write("  ".join(cells) + "\n")
        sys.stdout.flush()
