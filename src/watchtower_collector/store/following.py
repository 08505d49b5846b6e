"""Following the events in the order in which they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from watchtower_collector.store.query import conditions
from watchtower_collector.store.schema import EVENTS

if TYPE_CHECKING:
    from watchtower_collector.store import Row
    from watchtower_collector.store.query import EventQuery

# Events that one step looks at, matching or not: some ten milliseconds.
STEP_EVENTS = 5_000


def event_by_id(connection: sa.Connection, event: int) -> Row | None:
    """Return the event with this id, or ``None``."""
    found = connection.execute(sa.select(EVENTS).where(EVENTS.c.id == event)).mappings().first()
    return None if found is None else dict(found)


def select_step(query: EventQuery, after: int, limit: int) -> sa.Select[Any]:
    """Return the statement for those that match among the next events after an id."""
    # The inner limit also keeps databases from taking another index here, through which they
    # would read all that ever matched, to sort it.
    ahead = sa.select(EVENTS).where(EVENTS.c.id > after).order_by(EVENTS.c.id)
    some = ahead.limit(STEP_EVENTS).subquery()
    return sa.select(some).where(*conditions(query, some)).order_by(some.c.id).limit(limit)


def _last_of_step(after: int) -> sa.Select[int | None]:
    ahead = sa.select(EVENTS.c.id).where(EVENTS.c.id > after).order_by(EVENTS.c.id)
    return sa.select(sa.func.max(ahead.limit(STEP_EVENTS).subquery().c.id))


def step(
    connection: sa.Connection, query: EventQuery, after: int, limit: int
) -> tuple[list[Row], int]:
    """Return the next events that match, at most ``limit``, and the id up to which it looked.

    That is ``after`` when nothing newer is stored. A step looks at a bounded number of events, so
    however rare the matching ones are, it takes little time and comes further.
    """
    last = connection.execute(_last_of_step(after)).scalar()
    if last is None:
        return [], after
    found = connection.execute(select_step(query, after, limit)).mappings()
    rows = [dict(row) for row in found]
    return rows, rows[-1]["id"] if len(rows) == limit else last
