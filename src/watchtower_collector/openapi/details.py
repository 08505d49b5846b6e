"""What only some types of events have: kept and given back as it came, within bounds."""

from __future__ import annotations

from typing import Any

from watchtower_collector.event import MAX_UNKNOWN_TEXT

DETAILS: dict[str, str] = {
    "session_id": "The same for all that one process said, 32 hexadecimal digits.",
    "reason": "One word for why.",
    "certificate_serial": "Of the certificate, as text.",
    "uid": "The number of the user who called sudo or su.",
    "target_user": "Whom they wanted to be.",
    "target_group": "Which group they wanted.",
    "command": "What was run.",
    "directory": "In which working directory.",
    "tty": "On which terminal.",
    "gap_since": "From when on entries or events may be missing.",
    "gap_until": "Until when.",
    "lost_messages": "How many messages journald dropped.",
    "unit": "Of which unit.",
    "lost_connections": "How many connections sshd dropped without logging each.",
    "lost_events": "How many events were dropped, or are missing.",
    "journal_hostname": "What the host called itself, when that was another name.",
    "started_at": "When the agent started.",
    "uptime_seconds": "For how long it has run.",
    "spool_oldest_seconds": "How long ago the event happened that waits longest.",
    "clock_offset_seconds": "The host's clock, less the collector's.",
    "trouble": "What keeps the agent from reading the journal, in words.",
    "entries_read": "How many entries of the journal the agent has read since its start.",
    "events_spooled": "How many events it has put into its spool since then.",
    "events_acknowledged": "How many of them the collector took.",
    "events_rejected": "How many it refused for good.",
    "events_dropped": "How many were dropped because the spool was full.",
}


def with_details(event: dict[str, Any], *, null: bool) -> dict[str, Any]:
    """Return the schema of an event with its details; ``null`` says whether they may be that.

    The collector holds none of them to more than it holds every field that it does not know to.
    """
    flat = ["string", "number", "boolean", *(["null"] if null else [])]
    kept = {"type": flat, "maxLength": MAX_UNKNOWN_TEXT}
    details = {name: {**kept, "description": words} for name, words in DETAILS.items()}
    return {
        **event,
        "properties": {**event["properties"], **details},
        "additionalProperties": kept,
        "propertyNames": {"pattern": "^[a-z][a-z0-9_]{0,63}$"},
    }
