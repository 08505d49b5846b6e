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
    from collections.abc import Iterator, Sequence, Sized

# An event that is looked up costs what twenty cost that are passed over in events_time. A filter
# with few events is read from its own index at once.
FEW = 20_000
# Else the newest events are passed over first, for frequent filters fill their page there. A first
# look at some of them tells how frequent they are, before anything is counted.
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


def _nth_newest(
    connection: sa.Connection, time: Sequence[Condition], number: int
) -> tuple[int, int] | None:
    """Return time and id of the ``number``-th newest event; ``None`` when there are fewer."""
    keys = sa.select(EVENTS.c.timestamp, EVENTS.c.id).where(*time).order_by(*NEWEST_FIRST)
    found = connection.execute(_by(BY_TIME, keys.offset(number - 1).limit(1))).first()
    return None if found is None else (found.timestamp, found.id)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page is to hold; its time goes beside it."""

    filters: Sequence[Filter]
    """In the order in which they are tried."""
    others: Sequence[Condition]
    """On columns without an index of their own."""
    limit: int

    def by_time(self, time: Sequence[Condition]) -> sa.Select[Any]:
        """Return the statement that passes over the events, newest first, until the page is full.

        ``events_time`` holds every column that is filtered by, but those of free text.
        """
        conditions = (*time, *self.others, *(one.condition() for one in self.filters))
        statement = sa.select(EVENTS).where(*conditions)
        return _by(BY_TIME, statement).order_by(*NEWEST_FIRST).limit(self.limit)

    def by_index(self, rare: Filter, time: Sequence[Condition]) -> sa.Select[Any]:
        """Return the statement that reads one filter's events from its index."""
        remaining = (one.condition() for one in self.filters if one is not rare)
        return rare.page(time, [*self.others, *remaining], self.limit)

    def rarer(
        self, connection: sa.Connection, time: Sequence[Condition], than: int
    ) -> Filter | None:
        """Return the first filter with fewer events than that."""
        return next((one for one in self.filters if one.is_rarer(connection, time, than)), None)


def page_statements(
    connection: sa.Connection, wanted: Wanted, time: Sequence[Condition], found: Sized
) -> Iterator[sa.Select[Any]]:
    """Return statements that read a page one after the other, newest first, until it is full.

    ``found`` is what the statements so far have brought.
    """
    filters, limit = wanted.filters, wanted.limit
    if not filters:
        yield wanted.by_time(time)
        return
    if len(filters) == 1 and not wanted.others and filters[0].is_short_list():
        yield filters[0].page(time, (), limit)
        return
    newest, rest = _parted(connection, time, AT_ONCE)
    yield wanted.by_time(newest)
    if rest is None:
        return
    frequent = len(found) * NEWEST >= limit * AT_ONCE
    rare = None if frequent else wanted.rarer(connection, rest, FEW)
    if rare is None:
        # Twice as far as the page takes when they are spread evenly.
        number = 2 * limit * AT_ONCE // len(found) if frequent else NEWEST
        newest, rest = _parted(connection, rest, number)
        yield wanted.by_time(newest)
        if rest is None:
            return
        rare = wanted.rarer(connection, rest, FEW) if frequent else None
        rare = rare or wanted.rarer(connection, rest, MANY)
    yield wanted.by_time(rest) if rare is None else wanted.by_index(rare, rest)


def _parted(
    connection: sa.Connection, time: Sequence[Condition], number: int
) -> tuple[Sequence[Condition], Sequence[Condition] | None]:
    """Return the time of the newest ``number`` events, and the time before, if any is there."""
    oldest = _nth_newest(connection, time, number)
    if oldest is None:
        return time, None
    return [*time, _from(*oldest)], [*time, before(*oldest)]
