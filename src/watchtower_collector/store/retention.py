"""Deleting what is past its time, a little in each transaction.

The age of an event is how long the collector has had it, not what its host's clock says: what
comes late, after an outage, or from a clock that is wrong, is kept as long as all else. Ids are
given in the order of receiving, so the oldest events lie together.
"""

from __future__ import annotations

from itertools import takewhile

import sqlalchemy as sa

from watchtower_collector.store.schema import AUDIT, EVENTS, FACETS, HOSTS, LAST_ID_LAG

CHUNK = 500  # rows in one transaction: the events that arrive meanwhile wait for no more than that
_BY_ID = sa.select(EVENTS.c.id, EVENTS.c.received_at).order_by(EVENTS.c.id)


def delete_old(connection: sa.Connection, received_before: int, now: int) -> int:
    """Delete a chunk of the events received before a moment, and return how many there were.

    ``now`` and the moment are in microseconds since 1970. Events received after ``now`` are of a
    clock that was ahead, or the clock is behind now: then they tell nothing. So they go only
    together with an event that came after them and is old: they are older still.
    """
    oldest = connection.execute(_BY_ID.limit(CHUNK)).all()
    if oldest and oldest[0].received_at > now:
        behind = _first_behind_the_future(connection, oldest[0].id, now)
        if behind is None or behind[1] >= received_before:
            return 0
        old = [row.id for row in oldest if row.id < behind[0]]
    else:
        old = [row.id for row in takewhile(lambda r: r.received_at < received_before, oldest)]
    if not old:
        return 0
    return connection.execute(sa.delete(EVENTS).where(EVENTS.c.id <= old[-1])).rowcount


def _first_behind_the_future(
    connection: sa.Connection, oldest_id: int, now: int
) -> tuple[int, int] | None:
    """Return id and time of an event received by ``now``, right behind one received after it.

    ``None`` when the newest event is of the future, too. Millions may be: it is sought by halves.
    """
    newest = sa.select(EVENTS.c.id, EVENTS.c.received_at).order_by(EVENTS.c.id.desc()).limit(1)
    id_, received_at = connection.execute(newest).one()
    if received_at > now:
        return None
    # The event ``low`` is of the future, and between ``high`` and ``id_`` there is none.
    low, high = oldest_id, id_ - 1
    while low < high:
        middle = (low + high) // 2
        row = connection.execute(_BY_ID.where(EVENTS.c.id > middle).limit(1)).one()
        if row.received_at > now:
            low = row.id
        else:
            (id_, received_at), high = row, middle
    return id_, received_at


def delete_oldest(connection: sa.Connection, now: int) -> tuple[int, int]:
    """Delete a chunk of what is oldest, be it events or the audit trail, for room.

    Returns how many events and how many entries there were. ``now`` is in microseconds since 1970.
    """
    event = _oldest_came_by(connection, now)
    entry = connection.execute(sa.select(sa.func.min(AUDIT.c.at))).scalar()
    if event is not None and (entry is None or event <= entry):
        ids = sa.select(EVENTS.c.id).order_by(EVENTS.c.id).limit(CHUNK)
        return connection.execute(sa.delete(EVENTS).where(EVENTS.c.id.in_(ids))).rowcount, 0
    ids = sa.select(AUDIT.c.id).order_by(AUDIT.c.at).limit(CHUNK)
    return 0, connection.execute(sa.delete(AUDIT).where(AUDIT.c.id.in_(ids))).rowcount


def _oldest_came_by(connection: sa.Connection, now: int) -> int | None:
    """Return when the oldest event had come, also if the clock was ahead then."""
    oldest = connection.execute(_BY_ID.limit(1)).one_or_none()
    if oldest is None:
        return None
    behind = None
    if oldest.received_at > now:
        behind = _first_behind_the_future(connection, oldest.id, now)
    return int(oldest.received_at if behind is None else behind[1])


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


def forget_facets(connection: sa.Connection) -> int:
    """Forget a chunk of the combinations whose last events were deleted, and return how many.

    Events are deleted by their ids, the lowest first, but for the heartbeats: combinations of
    these may stay for longer.
    """
    oldest = sa.select(sa.func.min(EVENTS.c.id)).scalar_subquery()
    is_gone = oldest.is_(None) | (FACETS.c.last_id <= oldest - LAST_ID_LAG)
    some = sa.select(FACETS.c.id).where(is_gone).limit(CHUNK)
    return connection.execute(sa.delete(FACETS).where(FACETS.c.id.in_(some))).rowcount
