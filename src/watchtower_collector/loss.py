"""What a restore loses: how much, of which time, and from when on agents have to send it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from watchtower_collector.database_check import Contents

# What restores say of themselves; no client sent it.
REPORTS = "type = 'store_restored' AND event_id IS NULL"
# What came later than this, or by a clock that is further behind, is left to itself: one such host
# must not make the whole fleet read years of its journals. In microseconds.
_LATE = 30 * 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class Lost:
    """Events that were acknowledged and are not in the restored database.

    All times are in microseconds since 1970.
    """

    events: int | None
    """How many; ``None`` where the database that had them cannot tell."""
    since: int
    """When the first of them was stored at the earliest."""
    until: int
    """When the last of them was stored at the latest."""
    happened_since: int
    """When the first of them was stored or, by its host's clock, happened: whichever is earlier.
    Never later than now, and nothing of what came over 30 days late is in it."""


def missing_events(connection: sqlite3.Connection, now: int) -> Lost | None:
    """Return which events of the database ``present`` are not in ``main``.

    Raises:
        sqlite3.Error: one of them cannot be read.
    """
    # Not only ids above the backup's: a collector that was installed anew began with 1 again.
    events, since, until, happened = connection.execute(
        f"""
        SELECT count(*), min(received_at), max(received_at),
               min(timestamp) FILTER (WHERE timestamp >= min(received_at, ?1) - ?2)
        FROM present.events AS p
        WHERE NOT ({REPORTS}) AND NOT EXISTS (
            SELECT 1 FROM main.events AS b
            WHERE b.id = p.id AND b.received_at = p.received_at
        )
        """,  # noqa: S608  # words of our own
        (now, _LATE),
    ).fetchone()
    if not events:
        return None
    return Lost(events, since, until, min(since, now, since if happened is None else happened))


def unknown_loss(connection: sqlite3.Connection, contents: Contents, now: int) -> Lost:
    """Return what may be lost when only the backup can tell: all that came after it.

    ``connection`` is to the backup, which holds ``contents``.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    since = contents.newest_received_at or 0
    if since > now:
        # By a clock that was ahead. No index knows the others.
        (before,) = connection.execute(
            "SELECT max(received_at) FROM events WHERE received_at <= ?", (now,)
        ).fetchone()
        since = before or 0
    # A host that was silent had kept what it sent later; with a slow clock all of it looks older.
    (happened,) = connection.execute(
        """
        SELECT min(at) FROM (
            SELECT last_seen AS at FROM hosts
            UNION ALL
            SELECT (SELECT max(timestamp) FROM events WHERE events.hostname = hosts.hostname)
            FROM hosts
        ) WHERE at >= ?
        """,
        (since - _LATE,),
    ).fetchone()
    return Lost(None, since, now, since if happened is None else min(since, happened))
