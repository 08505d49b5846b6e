"""``watchtowerctl stats``: how many of what."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from watchtowerctl import filters
from watchtowerctl.api import connect, objects, one_object
from watchtowerctl.documents import print_documents
from watchtowerctl.moments import local, show_text
from watchtowerctl.output import say
from watchtowerctl.table import print_table
from watchtowerctl.text import counted, quoted
from watchtowerctl.unknown_hosts import say_unknown_hosts

BY = (
    "type",
    "hostname",
    "user",
    "method",
    "source_ip",
    "region",
    "host_group",
    "severity",
    "flagged",
    "key_type",
    "key_fingerprint",
    "certificate_id",
    "trusted",
    "ambiguous",
    "agent_version",
)
# As the options are called, beside as the collector calls its fields.
ALIASES = {"host": "hostname", "source": "source_ip", "group": "host_group"}
INTERVALS = ("hour", "day")
FIELDS = ("time", "value", "other", "count")
DEFAULT_TOP, MAX_TOP = 10, 1_000  # the collector's default and bound


def _complete_by(incomplete: str) -> list[str]:
    return [name for name in (*BY, *ALIASES) if name.startswith(incomplete)]


def _complete_interval(incomplete: str) -> list[str]:
    return [name for name in INTERVALS if name.startswith(incomplete)]


def stats(
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="FIELD",
            help=f"count each: {', '.join(BY)}; or {', '.join(ALIASES)}",
            autocompletion=_complete_by,
        ),
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option(
            "--interval",
            metavar="STEP",
            help="hour, or day in UTC",
            autocompletion=_complete_interval,
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            metavar="N",
            min=1,
            max=MAX_TOP,
            help=f"how many values, {DEFAULT_TOP} if not said; the others are summed up",
        ),
    ] = None,
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
    json: filters.Json = False,
    csv: filters.Csv = False,
) -> None:
    """Count events: of the last 24 hours, or 30 days by day, unless --since says otherwise."""
    filters.check_form(json=json, csv=csv)
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
    by = ALIASES.get(by or "", by)
    chosen = {"by": by, "interval": interval, "top": top}
    parameters += [(name, str(value)) for name, value in chosen.items() if value is not None]
    api = connect()
    answer = one_object(api.ask("GET", "/stats", parameters), api.url)
    counts = objects(answer.get("counts"), api.url)
    if json or csv:
        print_documents(counts, FIELDS, as_csv=csv)
        return
    _print_counts(counts, by, interval)
    total = answer.get("total")
    begin, end = show_text(answer.get("since")), show_text(answer.get("until"))
    in_utc = " Days are in UTC." if interval == "day" else ""
    left_out = filters.left_out(kind, heartbeats)
    say(f"{counted(total, 'event')}, from {begin} to {end}.{in_utc}{left_out}")
    if total == 0:
        say_unknown_hosts(api, host)


def _print_counts(counts: list[dict[str, Any]], by: str | None, interval: str | None) -> None:
    times = {"hour": ["Time"], "day": ["Day (UTC)"]}.get(interval or "", [])
    columns = [*times, *([by] if by else []), "Count"]
    numbers = [_number(count) for count in counts]
    rows = []
    for count, number in zip(counts, numbers, strict=True):
        row: list[object] = [_time(count.get("time"), interval)] if times else []
        row += [_value(count)] if by else []
        rows.append([*row, number])
    print_table(columns, rows, bars=numbers)


def _time(text: object, interval: str | None) -> object:
    # The collector's days begin at midnight in UTC: elsewhere they have no date of their own.
    return str(text)[:10] if interval == "day" else local(text)


def _value(count: dict[str, Any]) -> str:
    value = count.get("value")
    if count.get("other") is True:
        return "(others)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    # A user of this name would be in quotes.
    return "(none)" if value is None else quoted(value)


def _number(count: dict[str, Any]) -> int:
    number = count.get("count")
    return number if isinstance(number, int) else 0
