"""``watchtowerctl hosts``: which hosts report, and which have fallen silent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from watchtowerctl import filters
from watchtowerctl.api import connect
from watchtowerctl.documents import print_documents
from watchtowerctl.event_row import word
from watchtowerctl.moments import age, local, local_now
from watchtowerctl.output import say
from watchtowerctl.table import print_table
from watchtowerctl.text import counted
from watchtowerctl.unknown_hosts import say_unknown_hosts

if TYPE_CHECKING:
    from datetime import datetime

COLUMNS = (
    "Host",
    "Heard",
    "Silent since",
    "Last login",
    "By",
    "From",
    "Agent",
    "Waiting",
    "Clock",
    "Trouble",
)
FIELDS = (
    "hostname",
    "first_seen",
    "last_seen",
    "last_login",
    "last_login_user",
    "last_login_source_ip",
    "last_heartbeat",
    "agent_version",
    "spool_depth",
    "clock_offset_seconds",
    "trouble",
    "region",
    "host_group",
    "silent_since",
)


def hosts(
    host: filters.Host = None,
    silent: Annotated[
        bool | None, typer.Option("--silent/--not-silent", help="only those that are, or are not")
    ] = None,
    json: filters.Json = False,
    csv: filters.Csv = False,
) -> None:
    """Show the hosts: when each was heard of, its last login, and what troubles its agent."""
    filters.check_form(json=json, csv=csv)
    parameters = [("hostname", name) for name in host or ()]
    if silent is not None:
        parameters.append(("silent", "true" if silent else "false"))
    api = connect()
    found = list(api.items("/hosts", parameters, None))
    if json or csv:
        print_documents(found, FIELDS, as_csv=csv)
        return
    now = local_now()
    styles = ["red" if each.get("silent_since") else "" for each in found]
    print_table(COLUMNS, [_row(each, now) for each in found], styles)
    quiet = sum(map(bool, styles))
    say(f"{counted(len(found), 'host')}, {quiet} silent.")
    if not found:
        say_unknown_hosts(api, host)


def _row(host: dict[str, Any], now: datetime) -> list[object]:
    seen, offset = host.get("last_seen"), host.get("clock_offset_seconds")
    return [
        word(host.get("hostname")),
        f"{age(seen, now)} ago" if seen else "never",
        local(host.get("silent_since")),
        local(host.get("last_login")),
        word(host.get("last_login_user")),
        word(host.get("last_login_source_ip")),
        word(host.get("agent_version")),
        host.get("spool_depth"),
        f"{offset:+.0f} s" if isinstance(offset, int | float) else None,
        host.get("trouble"),
    ]
