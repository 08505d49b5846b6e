"""Deleting what is past its time, a little in each transaction.

The age of an event is how long the collector has had it, not what its host's clock says: what
comes late, after an outage, or from a clock that is wrong, is kept as long as all else. Ids are
given in the order of receiving, so the oldest events lie together.
"""

from __future__ import annotations

import sqlalchemy as sa

from watchtower_collector.store.schema import AUDIT, EVENTS, HOSTS

CHUNK = 500  # rows in one transaction: the events that arrive meanwhile wait for no more than that


def delete_old(connection: sa.Connection, received_before: int, now: int) -> int:
    """Delete a chunk of the events received before a moment, and return how many there were.

    ``now`` and the moment are in microseconds since 1970. Those received after ``now``, by a clock
    that was wrong, are no younger than those that came after them.
    """
    oldest = sa.select(EVENTS.c.id, EVENTS.c.received_at).order_by(EVENTS.c.id).limit(CHUNK)
    last = None
    for row in connection.execute(oldest):
        if received_before <= row.received_at <= now:
            break
        last = row.id
    if last is None:
        return 0
    return connection.execute(sa.delete(EVENTS).where(EVENTS.c.id <= last)).rowcount


def delete_oldest(connection: sa.Connection) -> tuple[int, int]:
    """Delete a chunk of what is oldest, be it events or the audit trail, for room.

    Returns how many events and how many entries there were.
    """
    oldest = sa.select(sa.func.min(EVENTS.c.id)).scalar_subquery()
    event = connection.execute(
        sa.select(EVENTS.c.id, EVENTS.c.received_at).where(EVENTS.c.id == oldest)
    ).one_or_none()
    entry = connection.execute(sa.select(sa.func.min(AUDIT.c.at))).scalar()
    if event is not None and (entry is None or event.received_at <= entry):
        ids = sa.select(EVENTS.c.id).order_by(EVENTS.c.id).limit(CHUNK)
        return connection.execute(sa.delete(EVENTS).where(EVENTS.c.id.in_(ids))).rowcount, 0
    ids = sa.select(AUDIT.c.id).order_by(AUDIT.c.at).limit(CHUNK)
    return 0, connection.execute(sa.delete(AUDIT).where(AUDIT.c.id.in_(ids))).rowcount


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
