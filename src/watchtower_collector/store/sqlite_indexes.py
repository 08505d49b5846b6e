"""Which index SQLite reads for a page of events.

SQLite's planner estimates from averages, and an average says nothing of ``root`` or of a name
with five events; nor does it know how soon a page is full. So each statement names its index.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

from watchtower_collector.store.matching import equals_any
from watchtower_collector.store.schema import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# An event that is looked up costs what twenty cost that are passed over in events_time. A filter
# with few events is read from its own index at once.
FEW = 20_000
# Else the newest events are passed over first: frequent filters fill their page there, and the
# most frequent ones so soon that nothing need be counted before.
AT_ONCE = 1_000
NEWEST = 20_000
# So many values are read in turn, whatever number of events they have.
SHORT_LIST = 10
# Those that do not rarely meet: then a filter with so many is still better read from its index.
MANY = 100_000
BY_TIME = "events_time"
NEWEST_FIRST = (EVENTS.c.timestamp.desc(), EVENTS.c.id.desc())

Condition = sa.ColumnElement[bool]


def before(timestamp: int, id_: int) -> Condition:
    """Return the condition that an event comes after this position in a page: it is older."""
    key = sa.tuple_(EVENTS.c.timestamp, EVENTS.c.id)
    return key < sa.tuple_(timestamp, id_)


def _from(timestamp: int, id_: int) -> Condition:
    key = sa.tuple_(EVENTS.c.timestamp, EVENTS.c.id)
    return key >= sa.tuple_(timestamp, id_)


class IndexedByCompiler(SQLiteCompiler):
    """Writes hints of ``Select.with_hint``, which SQLAlchemy leaves out for SQLite."""

    def get_from_hint_text(self, _table: object, text: str | None) -> str | None:
        """Return what stands behind the table's name."""
        return text


@dataclass(frozen=True, slots=True)
class Filter:
    """What is asked of one column that has an index. One of the conditions must hold."""

    index: str
    column: sa.ColumnElement[Any]
    values: tuple[Any, ...]
    """The events of one value are in the index by time."""
    ranges: tuple[Condition, ...]
    """They share no event, with one another or with the values."""

    def is_ordered(self) -> bool:
        """Return whether all its events are in the index by time."""
        return len(self.values) == 1 and not self.ranges

    def is_short_list(self) -> bool:
        """Return whether a page can be put together from one page of each value."""
        return len(self.values) <= SHORT_LIST and not self.ranges

    def condition(self) -> Condition:
        """Return all of it as one condition."""
        return sa.or_(*self._parts())

    def _parts(self) -> tuple[Condition, ...]:
        return (*([equals_any(self.column, self.values)] if self.values else []), *self.ranges)

    def is_rarer(self, connection: sa.Connection, time: Sequence[Condition], than: int) -> bool:
        """Return whether it has fewer events than that; of a range, those of any time count."""
        found = 0
        for part in self._parts():
            # Of values the index finds those of the time; of a range it would read the rest, too.
            within = () if any(part is one for one in self.ranges) else time
            some = sa.select(sa.literal(1)).where(part, *within).limit(than - found)
            counted = sa.select(sa.func.count()).select_from(_by(self.index, some).subquery())
            found += connection.execute(counted).scalar_one()
            if found >= than:
                return False
        return True

    def page(
        self, time: Sequence[Condition], others: Sequence[Condition], limit: int
    ) -> sa.Select[Any]:
        """Return the statement that reads the page from this index."""
        if self.is_ordered():
            statement = sa.select(EVENTS).where(self.condition(), *time, *others)
            return _by(self.index, statement).order_by(*NEWEST_FIRST).limit(limit)
        keys = sa.select(EVENTS.c.id, EVENTS.c.timestamp).where(*time)
        selects = [_by(self.index, keys.where(part)) for part in self._parts()]
        if not others and self.is_short_list():
            each = (keys.where(self.column == value) for value in self.values)
            newest = (_by(self.index, one).order_by(*NEWEST_FIRST).limit(limit) for one in each)
            selects = [sa.select(one.subquery()) for one in newest]
        found = (sa.union_all(*selects) if len(selects) > 1 else selects[0]).subquery()
        if not others:
            # Sorted as they stand in the index: only the events of the page are looked up.
            order = (found.c.timestamp.desc(), found.c.id.desc())
            found = sa.select(found).order_by(*order).limit(limit).subquery()
        # CROSS JOIN: SQLite never turns it round, and reads no other event.
        statement = (
            sa.select(EVENTS)
            .select_from(found.join(EVENTS, EVENTS.c.id == found.c.id))
            .with_hint(found, "CROSS", "sqlite")
            .with_hint(EVENTS, "NOT INDEXED", "sqlite")
            .where(*others)
        )
        return statement.order_by(*NEWEST_FIRST).limit(limit)


def _by(index: str, statement: sa.Select[Any]) -> sa.Select[Any]:
    return statement.with_hint(EVENTS, f"INDEXED BY {index}", "sqlite")


def _by_time(conditions: Sequence[Condition], limit: int) -> sa.Select[Any]:
    """Return the statement that passes over the events, newest first, until the page is full.

    ``events_time`` holds every column that is filtered by, but those of free text.
    """
    statement = sa.select(EVENTS).where(*conditions).order_by(*NEWEST_FIRST).limit(limit)
    return _by(BY_TIME, statement)


def _nth_newest(
    connection: sa.Connection, time: Sequence[Condition], number: int
) -> tuple[int, int] | None:
    """Return time and id of the ``number``-th newest event; ``None`` when there are fewer."""
    keys = sa.select(EVENTS.c.timestamp, EVENTS.c.id).where(*time).order_by(*NEWEST_FIRST)
    found = connection.execute(_by(BY_TIME, keys.offset(number - 1).limit(1))).first()
    return None if found is None else (found.timestamp, found.id)


def page_statements(
    connection: sa.Connection,
    filters: Sequence[Filter],
    time: Sequence[Condition],
    others: Sequence[Condition],
    limit: int,
) -> Iterator[sa.Select[Any]]:
    """Return statements that read a page one after the other, newest first, until it is full.

    The filters come in the order in which they are tried, ``others`` are conditions on columns
    without an index of their own.
    """
    if not filters:
        yield _by_time([*time, *others], limit)
    elif len(filters) == 1 and not others and filters[0].is_short_list():
        yield filters[0].page(time, (), limit)
    else:
        everything = [*others, *(one.condition() for one in filters)]
        oldest = _nth_newest(connection, time, AT_ONCE)
        if oldest is None:
            yield _by_time([*time, *everything], limit)
            return
        yield _by_time([*time, _from(*oldest), *everything], limit)
        time = [*time, before(*oldest)]
        rare = next((one for one in filters if one.is_rarer(connection, time, FEW)), None)
        if rare is None:
            oldest = _nth_newest(connection, time, NEWEST)
            if oldest is None:
                yield _by_time([*time, *everything], limit)
                return
            yield _by_time([*time, _from(*oldest), *everything], limit)
            time = [*time, before(*oldest)]
            rare = next((one for one in filters if one.is_rarer(connection, time, MANY)), None)
        if rare is None:
            yield _by_time([*time, *everything], limit)
        else:
            rest = (one.condition() for one in filters if one is not rare)
            yield rare.page(time, [*others, *rest], limit)
