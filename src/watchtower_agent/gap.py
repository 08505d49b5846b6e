"""Events that say from when to when entries of the journal may be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watchtower_agent.event import JOURNAL_GAP, Event, format_timestamp, hash_id

if TYPE_CHECKING:
    from watchtower_agent.entry import JournalEntry
    from watchtower_agent.entry_reader import UnreadableEntry
    from watchtower_agent.event import Detail
    from watchtower_agent.host import Host
    from watchtower_agent.spool import Position


def vanished(host: Host, position: Position, left: JournalEntry) -> Event:
    """Return the gap from a position to the oldest entry left of what followed it."""
    last, oldest = format_timestamp(position.realtime), format_timestamp(left.realtime)
    text = (
        f"The journal was read up to {last}. What followed is gone; the oldest left is from "
        f"{oldest}. Logins in between may be missing."
    )
    parts = (position.cursor.encode(), left.cursor.encode())
    ends = (position.realtime, left.realtime)
    return _gap(host, "entries_vanished", ends, parts, text)


def spool_damaged(host: Host, aside: str, head: JournalEntry) -> Event:
    """Return the gap before the oldest entry left, when a damaged spool lies at ``aside``."""
    text = (
        f"The agent's spool was damaged and is kept as {aside}. The journal is read again from "
        f"{format_timestamp(head.realtime)} on; events from before then that were still waiting "
        "in the spool may be missing."
    )
    # Its name holds the time, so that each damage is a gap of its own.
    parts = (aside.encode(), head.cursor.encode())
    ends = (head.realtime, head.realtime)
    return _gap(host, "spool_damaged", ends, parts, text)


def unreadable(host: Host, since: int, entry: UnreadableEntry) -> Event:
    """Return the gap from a time in microseconds since 1970 up to and with a damaged entry."""
    text = (
        f"The journal is damaged: entries from {format_timestamp(since)} to "
        f"{format_timestamp(entry.realtime)} cannot be read. Logins in between may be missing."
    )
    ends = (since, entry.realtime)
    return _gap(host, "entries_vanished", ends, (entry.cursor.encode(),), text)


def damaged(host: Host, ends: tuple[int, int], file: tuple[str, str]) -> Event:
    """Return the gap for what journalctl left out of a damaged file while it read on.

    Its ends are in microseconds since 1970; the file has its path, or an empty text, and what
    tells this damage from another.
    """
    text = (
        f"The journal is damaged{' in ' + file[0] if file[0] else ''}, and journalctl leaves out "
        "what it cannot read. Logins may be missing."
    )
    parts = (b"damaged", *(part.encode() for part in file))
    return _gap(host, "entries_vanished", ends, parts, text)


def _gap(
    host: Host, reason: str, ends: tuple[int, int], parts: tuple[bytes, ...], text: str
) -> Event:
    since, until = map(format_timestamp, ends)
    details: dict[str, Detail | None] = {
        "reason": reason,
        "gap_since": since,
        "gap_until": until,
        "raw_message": text,
        "trusted": True,
    }
    return host.event(JOURNAL_GAP, since, hash_id(b"journal_gap", *parts), details)
