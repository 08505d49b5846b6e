"""An event as one row of a table, for people."""

from __future__ import annotations

from typing import Any

from watchtowerctl.moments import show_text

COLUMNS = ("ID", "Time", "Type", "Host", "User", "From", "Method", "Details")
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
    marks = [mark for mark in ("flagged", "ambiguous") if event.get(mark) is True]
    details = [f"{name}={event[name]}" for name in _DETAILS if event.get(name) is not None]
    return [
        event.get("id"),
        show_text(event.get("timestamp")),
        event.get("type"),
        event.get("hostname"),
        event.get("user"),
        event.get("source_ip"),
        event.get("method"),
        " ".join([*marks, *details]),
    ]


def event_style(event: dict[str, Any]) -> str:
    """Return the colour of an event on a terminal."""
    return _STYLES.get(str(event.get("type")), "")
