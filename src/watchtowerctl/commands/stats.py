"""``watchtowerctl stats``: how many of what."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from watchtowerctl import filters
from watchtowerctl.api import connect, objects, one_object
from watchtowerctl.moments import show_text
from watchtowerctl.output import print_json, print_table, say

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
)
INTERVALS = ("hour", "day")
_BAR = 40  # characters


def _complete_by(incomplete: str) -> list[str]:
    return [name for name in BY if name.startswith(incomplete)]


def _complete_interval(incomplete: str) -> list[str]:
    return [name for name in INTERVALS if name.startswith(incomplete)]


def stats(
    by: Annotated[
        str | None,
        typer.Option("--by", help=f"count each: {', '.join(BY)}", autocompletion=_complete_by),
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option("--interval", help="hour or day", autocompletion=_complete_interval),
    ] = None,
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="how many values; the others are summed up")
    ] = None,
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
    since: filters.Since = None,
    until: filters.Until = None,
    json: filters.Json = False,
) -> None:
    """Count events: of the last 24 hours, or 30 days by day, unless --since says otherwise."""
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
    parameters += filters.time_range(since, until)
    chosen = {"by": by, "interval": interval, "top": top}
    parameters += [(name, str(value)) for name, value in chosen.items() if value is not None]
    api = connect()
    answer = one_object(api.ask("GET", "/stats", parameters), api.url)
    counts = objects(answer.get("counts"), api.url)
    if json:
        for count in counts:
            print_json(count)
        return
    _print_counts(counts, by, interval)
    begin, end = show_text(answer.get("since")), show_text(answer.get("until"))
    say(f"{answer.get('total')} events, from {begin} to {end}.")


def _print_counts(counts: list[dict[str, Any]], by: str | None, interval: str | None) -> None:
    columns = ["Time"] * bool(interval) + [by or "value"] * bool(by) + ["Count"]
    bars = sys.stdout.isatty()
    largest = max((_number(count) for count in counts), default=0)
    rows: list[list[object]] = []
    for count in counts:
        value = "(others)" if count.get("other") is True else count.get("value")
        row: list[object] = [show_text(count.get("time"))] if interval else []
        row += ["(none)" if value is None else value] if by else []
        row.append(_number(count))
        rows.append([*row, bar(_number(count), largest)] if bars else row)
    print_table([*columns, ""] if bars else columns, rows)


def _number(count: dict[str, Any]) -> int:
    number = count.get("count")
    return number if isinstance(number, int) else 0


def bar(count: int, largest: int) -> str:
    """Return a bar in proportion to the largest; what is there at all has one mark at least."""
    length = -(-count * _BAR // largest) if largest > 0 else 0
    letter = "█" if "utf" in (sys.stdout.encoding or "").lower() else "#"
    return letter * length
