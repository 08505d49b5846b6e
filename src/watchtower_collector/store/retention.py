"""Deleting what is past its time, a little in each transaction.

The age of an event is how long the collector has had it, not what its host's clock says: what
comes late, after an outage, or from a clock that is wrong, is kept as long as all else. Ids are
given in the order of receiving, so the oldest events lie together.
"""

from __future__ import annotations

import sqlalchemy as sa

from watchtower_collector.store.schema import AUDIT, EVENTS, HOSTS

CHUNK = 500  # rows in one transaction: the events that arrive meanwhile wait for no more than that


def delete_oldest(connection: sa.Connection, received_before: int | None) -> int:
    """Delete a chunk of the oldest events and return how many there were.

    Only those received before that moment, in microseconds since 1970; ``None`` for any.
    """
    oldest = sa.select(EVENTS.c.id, EVENTS.c.received_at).order_by(EVENTS.c.id).limit(CHUNK)
    rows = connection.execute(oldest).all()
    last = None
    for row in rows:
        if received_before is not None and row.received_at >= received_before:
            break
        last = row.id
    if last is None:
        return 0
    return connection.execute(sa.delete(EVENTS).where(EVENTS.c.id <= last)).rowcount


def delete_heartbeats(connection: sa.Connection, received_before: int) -> int:
    """Delete a chunk of the heartbeats received before a moment, and return how many."""
    some = (
        sa.select(EVENTS.c.id)
        .where(
            EVENTS.c.type == "heartbeat",
            # For the index. One from a clock that is ahead waits until its time has come.
            EVENTS.c.timestamp < received_before,
            EVENTS.c.received_at < received_before,
        )
        .limit(CHUNK)
    )
    return connection.execute(sa.delete(EVENTS).where(EVENTS.c.id.in_(some))).rowcount


def delete_audit(connection: sa.Connection, before: int) -> int:
    """Delete a chunk of the audit trail's entries from before a moment, and return how many."""
    some = sa.select(AUDIT.c.id).where(AUDIT.c.at < before).limit(CHUNK)
    return connection.execute(sa.delete(AUDIT).where(AUDIT.c.id.in_(some))).rowcount


def forget_hosts(connection: sa.Connection, last_seen_before: int) -> int:
    """Forget the hosts of which nothing came since a moment, and return how many."""
    gone = sa.delete(HOSTS).where(HOSTS.c.last_seen < last_seen_before)
    return connection.execute(gone).rowcount
