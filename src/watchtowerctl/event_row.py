"""An event for people: as one row of a table, or as a line.

Users, commands and certificates are named by whoever attacks a host. Each is one word, quoted
where it would look like two or like another field.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from watchtowerctl.moments import local, show_text
from watchtowerctl.text import quoted

COLUMNS = ("ID", "Time", "Type", "Host", "User", "From", "Method", "Details")
_NAMES = {"hostname": "host", "user": "user", "source_ip": "from", "method": "method"}
_DETAILS = (
    "reason",
    "target_user",
    "command",
    "key_fingerprint",
    "certificate_id",
    "trouble",
    "gap_since",
    "gap_until",
    "lost_events",
    "lost_messages",
    "lost_connections",
)
_TIMES = ("gap_since", "gap_until")
_STYLES = {
    "login_failed": "yellow",
    "login_refused": "yellow",
    "sudo_failed": "yellow",
    "su_failed": "yellow",
    "journal_gap": "red",
    "spool_overflow": "red",
    "store_restored": "red",
    "untrusted": "red",
}


def event_row(event: dict[str, Any]) -> list[object]:
    """Return the cells of an event, under ``COLUMNS``."""
    return [
        event.get("id"),
        local(event.get("timestamp")),
        word(event.get("type")),
        *(word(event.get(name)) for name in _NAMES),
        " ".join(_details(event)),
    ]


def event_line(event: dict[str, Any]) -> str:
    """Return an event as a line: id, time and type, then only what it has, each with its name."""
    named = [
        f"{label}={quoted(event[name])}"
        for name, label in _NAMES.items()
        if event.get(name) is not None
    ]
    head = (event.get("id"), show_text(event.get("timestamp")), word(event.get("type")))
    return "  ".join([*map(str, head), " ".join([*named, *_details(event)])]).rstrip()


def word(value: object) -> str | None:
    """Return a cell that holds a value of the collector's as one word."""
    return None if value is None else quoted(value)


def _details(event: dict[str, Any]) -> list[str]:
    marks = [mark for mark in ("flagged", "ambiguous") if event.get(mark) is True]
    return marks + [
        f"{name}={_detail(name, event[name])}" for name in _DETAILS if event.get(name) is not None
    ]


def _detail(name: str, value: object) -> str:
    moment = local(value) if name in _TIMES else None
    # With a T it is one word, and --since takes it.
    return quoted(moment.isoformat("T", "seconds") if isinstance(moment, datetime) else value)


def event_style(event: dict[str, Any]) -> str:
    """Return the colour of an event on a terminal."""
    return _STYLES.get(str(event.get("type")), "")
