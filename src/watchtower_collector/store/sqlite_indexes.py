"""Which index SQLite reads for a page of events.

SQLite's planner estimates from averages, and an average says nothing of ``root`` or of a name
with five events; nor does it know how soon a page is full. So each statement names its index.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

from watchtower_collector.store.facets import hosts_of, without_implied
from watchtower_collector.store.filters import asked, later
from watchtower_collector.store.schema import EVENTS
from watchtower_collector.store.sqlite_steps import Bound, rows_within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from watchtower_collector.store import Row
    from watchtower_collector.store.filters import Condition, Filter, Values
    from watchtower_collector.store.shape import Shape
    from watchtower_collector.store.sqlite_steps import Statement

# Which filter is rare nobody knows, so for a while each way is tried: a glance tells how soon it
# would fill the page. Passing over the newest events does so when the filters are frequent, an
# index of one of them when it is not. In steps of SQLite's machine, of which it takes some five
# to pass over an event, some ten to look one up, and 35 to read it.
GLANCE = 6_000
ATTEMPT = 100_000
# So many values are read at once, each in order.
SHORT_LIST = 10
# To look an event up takes as long as to pass over so many: it may lie anywhere.
LOOK_UP = 50
# Filters with fewer events than that may be read as a whole before the events are passed over.
FEW = 5_000
# Those that are tried in any case come before what costs more than to pass over so many events.
TRIED = 5_000
# In steps, for each filter.
COUNTING = 100_000
# Those that do not rarely meet: then a filter with fewer events is still better read from its
# index.
MANY = 100_000
BY_TIME = "events_time"
# In each of them the events of one value are by time.
INDEXES = {
    "source_addr": "events_source",
    "user": "events_user",
    "hostname": "events_hostname",
    "type": "events_type",
}
# What else stands in the index of a column.
_ALSO = {"source_addr": {"type"}, "user": {"type"}, "hostname": {"type"}, "type": set()}
NEWEST_FIRST = (EVENTS.c.timestamp.desc(), EVENTS.c.id.desc())
# As terms that no index has, so that SQLite sorts, and does not read backwards to save it.
_SORTED = sa.text("+events.timestamp DESC, +events.id DESC")
# The first stretch of time that is read forwards, and all that there may be; in microseconds.
STRETCH = 3_600_000_000
_EVER = (-(1 << 63), (1 << 63) - 1)
_LIMIT: sa.BindParameter[int] = sa.bindparam("limit", type_=sa.Integer)
_MOST: sa.BindParameter[int] = sa.bindparam("most", type_=sa.Integer)
# Some kilobytes each; those of a hundred values some hundred.
_STATEMENTS = 128


class IndexedByCompiler(SQLiteCompiler):
    """Writes hints of ``Select.with_hint``, which SQLAlchemy leaves out for SQLite."""

    def get_from_hint_text(self, _table: object, text: str | None) -> str | None:
        """Return what stands behind the table's name."""
        return text


@dataclass(slots=True)
class Found:
    """What a page has so far, and the parameters for the events that are still wanted."""

    values: Values
    limit: int
    """How many events make a page."""
    rows: list[Row] = field(default_factory=list)

    def add(self, rows: Sequence[Row]) -> None:
        """Add the rows that come next."""
        self.rows += rows
        self.values["limit"] = self.limit - len(self.rows)
        if rows:
            last = rows[-1]
            self.values |= {"after_timestamp": last["timestamp"], "after_id": last["id"]}

    def bound(self, glance: int, more: int) -> Bound:
        """Return a bound with more steps if at a glance the page is likely filled within these."""
        enough = -(-self.values["limit"] * glance // (glance + more))
        return Bound(glance, enough, more)

    def following(self, shape: Shape) -> Shape:
        """Return the shape of the question for what comes next."""
        return shape.of_later_page() if self.rows else shape


def page_statements(
    connection: sa.Connection, shape: Shape, found: Found
) -> Iterator[tuple[Statement, Bound | None]]:
    """Return statements that read a page one after the other, newest first, until it is full.

    With each comes the bound of its steps: one with a bound, and not cut by it, has found all
    that there is. What they bring is added to ``found`` meanwhile.
    """
    indexed = [one for one in shape.filters if one.column in INDEXES]
    ordered = [one for one in indexed if _is_short_list(one)]
    # A few values have fewer events than a range, as a rule, and they are read in order.
    filters = ordered + [one for one in indexed if one not in ordered]
    if not shape.filters and not shape.text:
        yield _by_time(shape), None
        return
    if len(shape.filters) == 1 and not shape.text and ordered:
        yield _by_index(shape, ordered[0]), None
        return
    # Where an index has all that is asked for, events need not be looked up in another.
    covered = [one for one in filters if _is_covered(shape, one)]
    for one in ordered:
        if one in covered:
            yield _by_index(found.following(shape), one), found.bound(GLANCE, 3 * ATTEMPT)
        elif not covered:
            yield _by_index(found.following(shape), one), found.bound(GLANCE, 4 * GLANCE)
    before = len(found.rows)
    # Where no index helps, this is likely to be the way, and the index of time has all it takes.
    bound = found.bound(GLANCE if filters or shape.text else ATTEMPT, 2 * ATTEMPT)
    yield _by_time(found.following(shape)), bound
    if len(found.rows) - before < bound.enough:
        hosts = hosts_of(connection, shape, found.values, SHORT_LIST)
        if hosts == []:
            return
        if hosts:
            # They stand for the filter by hostname, if any: it was among those asked of facets.
            one, names = asked("hostname", hosts)
            found.values |= names
            shape = without_implied(connection, shape.with_column(one), found.values)
            filters = [one, *(other for other in filters if other.column != "hostname")]
        for one in _cheapest_first(connection, shape, filters, found.values):
            yield _by_index(found.following(shape), one), Bound(2 * ATTEMPT)
    if filters:
        # A tenth of the page, and the rest of it is likely found sooner than anything is counted.
        yield _by_time(found.following(shape)), found.bound(2 * ATTEMPT, 18 * ATTEMPT)
    yield from _all_the_rest(connection, found.following(shape), filters, found)


def _all_the_rest(
    connection: sa.Connection, shape: Shape, filters: Sequence[Filter], found: Found
) -> Iterator[tuple[Statement, Bound | None]]:
    """Return statements that read on to the end, however far it is."""
    rare = _rarer(connection, shape, filters, found.values)
    if rare is not None:
        yield _by_index(shape, rare), None
    elif shape.text:
        yield from _forwards(connection, shape, found)
    else:
        yield _by_time(shape), None


def _forwards(
    connection: sa.Connection, shape: Shape, found: Found
) -> Iterator[tuple[Statement, Bound | None]]:
    """Return statements that read one stretch of time after the other, the newest first.

    Each is read forwards, and the newest of what matches is kept. Events lie in the file as they
    came, and free text must read each: this takes two thirds of the time of reading backwards, and
    from the disk, of which the kernel reads ahead what comes next, half of it or less. Stretches
    double: at most half is read in vain.
    """
    shape = shape.between()
    begin = found.values.setdefault("since", _EVER[0])
    found.values.setdefault("until", _EVER[1])
    length = STRETCH
    while True:
        newest, _ = rows_within(connection, _newest(shape), found.values | {"since": begin}, None)
        if not newest:
            return
        found.values["since"] = max(begin, newest[0]["timestamp"] - length)
        yield _by_stretch(found.following(shape)), None
        found.values["until"] = found.values["since"]
        length *= 2


def _is_short_list(one: Filter) -> bool:
    """Return whether it is a few values: the events of each are in the index by time."""
    return one.values <= SHORT_LIST and not one.ranges


def _split(shape: Shape, one: Filter) -> tuple[Sequence[Condition], Sequence[Condition]]:
    """Return the conditions that the index of a filter has columns for, and the others."""
    also = [other for other in shape.filters if other.column in _ALSO[one.column]]
    inside = (other.condition(EVENTS.c[other.column], later) for other in also)
    return list(inside), list(shape.without(one, *also).matching(EVENTS.c))


def _is_covered(shape: Shape, one: Filter) -> bool:
    """Return whether the index of a filter has all that is asked for."""
    others = {other.column for other in shape.filters} - {one.column}
    return others <= _ALSO[one.column] and not shape.text


def _cheapest_first(
    connection: sa.Connection, shape: Shape, filters: Sequence[Filter], values: Values
) -> Sequence[Filter]:
    """Return the filters whose events may be read as a whole, those that take least time first."""
    costs = {}
    for one in filters:
        if _is_covered(shape, one):
            # Tried in any case, so to count first would be to read twice.
            costs[one] = TRIED
            continue
        counts = _counts(shape, one)
        bound = Bound(COUNTING // len(counts))
        count = _sum(connection, counts, values, FEW, bound)
        if count < FEW:
            costs[one] = count * LOOK_UP
    return sorted(costs, key=costs.__getitem__)


def _rarer(
    connection: sa.Connection, shape: Shape, filters: Sequence[Filter], values: Values
) -> Filter | None:
    """Return the first filter that has not many events; of a range, those of any time count."""
    shape = shape.without_filters()
    for one in filters:
        if _sum(connection, _counts(shape, one), values, MANY, None) < MANY:
            return one
    return None


def _sum(
    connection: sa.Connection,
    counts: Sequence[sa.Select[Any]],
    values: Values,
    most: int,
    bound: Bound | None,
) -> int:
    """Return what is counted, at most so many; that as well if a count does not end in time."""
    found = 0
    for count in counts:
        rows, is_all = rows_within(connection, count, values | {"most": most - found}, bound)
        found += rows[0]["events"] if is_all else most
        if found >= most:
            return most
    return found


def _by(index: str, statement: sa.Select[Any]) -> sa.Select[Any]:
    return statement.with_hint(EVENTS, f"INDEXED BY {index}", "sqlite")


@lru_cache(_STATEMENTS)
def _by_time(shape: Shape) -> sa.Select[Any]:
    """Return the statement that passes over the events, newest first, until the page is full.

    ``events_time`` holds every column that is filtered by, but those of free text.
    """
    columns = EVENTS.c
    statement = sa.select(EVENTS).where(*shape.within(columns), *shape.matching(columns))
    return _by(BY_TIME, statement).order_by(*NEWEST_FIRST).limit(_LIMIT)


@lru_cache(_STATEMENTS)
def _by_stretch(shape: Shape) -> sa.Select[Any]:
    """Return the same, but passing over them from the oldest on and keeping the newest found."""
    return _by_time(shape).order_by(None).order_by(_SORTED)


@lru_cache(_STATEMENTS)
def _newest(shape: Shape) -> sa.Select[Any]:
    """Return the statement for the time of the newest event that is within the times."""
    statement = sa.select(EVENTS.c.timestamp).where(*shape.within(EVENTS.c))
    return _by(BY_TIME, statement).order_by(*NEWEST_FIRST).limit(1)


@lru_cache(_STATEMENTS)
def _counts(shape: Shape, one: Filter) -> Sequence[sa.Select[Any]]:
    """Return statements that count the events of a filter, at most so many.

    Of those that pass the others in its index, too: only these must be looked up.
    """
    column, also = EVENTS.c[one.column], _split(shape, one)[0]
    parts = one.parts(column, later)
    if one.values:
        # Of values the index finds those of the time; of a range it would read the rest, too.
        parts[0] = sa.and_(parts[0], *shape.within(EVENTS.c))
    some = (_by(INDEXES[one.column], sa.select(EVENTS.c.id).where(part, *also)) for part in parts)
    return [
        sa.select(sa.func.count().label("events")).select_from(s.limit(_MOST).subquery())
        for s in some
    ]


@lru_cache(_STATEMENTS)
def _by_index(shape: Shape, one: Filter) -> Statement:
    """Return the statement that reads a page from the index of one of the filters."""
    index, column = INDEXES[one.column], EVENTS.c[one.column]
    within, (also, others) = list(shape.within(EVENTS.c)), _split(shape, one)
    if _is_short_list(one):
        # The events of each value are in order, and SQLite merges them: no more are read.
        events = _by(index, sa.select(EVENTS).where(*within, *also, *others))
        each = [events.where(value) for value in one.value_conditions(column, later)]
        merged = sa.union_all(*each) if len(each) > 1 else each[0]
        return merged.order_by(sa.desc("timestamp"), sa.desc("id")).limit(_LIMIT)
    keys = _by(index, sa.select(EVENTS.c.id, EVENTS.c.timestamp).where(*within, *also))
    selects = [keys.where(part) for part in one.parts(column, later)]
    found = (sa.union_all(*selects) if len(selects) > 1 else selects[0]).subquery()
    if not others:
        # Sorted as they stand in the index: only the events of the page are looked up.
        order = (found.c.timestamp.desc(), found.c.id.desc())
        found = sa.select(found).order_by(*order).limit(_LIMIT).subquery()
    # CROSS JOIN: SQLite never turns it round, and reads no other event.
    statement = (
        sa.select(EVENTS)
        .select_from(found.join(EVENTS, EVENTS.c.id == found.c.id))
        .with_hint(found, "CROSS", "sqlite")
        .with_hint(EVENTS, "NOT INDEXED", "sqlite")
        .where(*others)
    )
    return statement.order_by(*NEWEST_FIRST).limit(_LIMIT)
