"""Questions to the store, and the statements that answer them in either database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from watchtower_collector.store.matching import any_of, begins_with, contains
from watchtower_collector.store.schema import EVENTS
from watchtower_collector.store.sqlite_indexes import Filter, Wanted, before, page_statements

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.sql.base import ReadOnlyColumnCollection

    from watchtower_collector.store import Row
    from watchtower_collector.store.matching import Texts

    Columns = ReadOnlyColumnCollection[str, Any]

# Free text is looked for in what came from outside, as it was written.
_TEXT_COLUMNS = (
    "raw_message",
    "user",
    "hostname",
    "source_ip",
    "key_fingerprint",
    "certificate_id",
)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: events are ordered by time, then by id."""

    timestamp: int
    id: int


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events are wanted; all that is set must hold. Times in microseconds since 1970."""

    user: Texts | None = None
    hostname: Texts | None = None
    method: Texts | None = None
    type: Texts | None = None
    region: Texts | None = None
    host_group: Texts | None = None
    severity: Texts | None = None
    flagged: bool | None = None
    sources: tuple[tuple[bytes, bytes], ...] = ()
    """Ranges of which one must hold it: first and last address, as sortable bytes."""
    since: int | None = None
    """Included."""
    until: int | None = None
    """Not included, so that adjoining ranges share no event."""
    text: str | None = None

    def within(self, since: int | None, until: int | None) -> EventQuery:
        """Return the same question about a range of time."""
        return replace(self, since=since, until=until)


def _filter(column: sa.ColumnElement[Any], name: str, texts: Texts) -> Filter:
    texts = texts.without_overlap()
    return Filter(
        index=f"events_{name}",
        column=column,
        values=texts.exact,
        ranges=tuple(begins_with(column, prefix) for prefix in texts.prefixes),
    )


def _source_filter(
    column: sa.ColumnElement[Any], sources: Sequence[tuple[bytes, bytes]]
) -> Filter:
    joined: list[tuple[bytes, bytes]] = []
    for first, last in sorted(sources):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return Filter(
        index="events_source",
        column=column,
        values=tuple(first for first, last in joined if first == last),
        ranges=tuple(column.between(first, last) for first, last in joined if first != last),
    )


def _indexed(query: EventQuery, columns: Columns) -> Iterator[Filter]:
    # The one that is likely to be the rarest first.
    if query.sources:
        yield _source_filter(columns.source_addr, query.sources)
    for name in ("user", "hostname", "type"):
        wanted = getattr(query, name)
        if wanted is not None:
            yield _filter(columns[name], name, wanted)


def _within(query: EventQuery, columns: Columns) -> Iterator[sa.ColumnElement[bool]]:
    if query.since is not None:
        yield columns.timestamp >= query.since
    if query.until is not None:
        yield columns.timestamp < query.until


def _others(query: EventQuery, columns: Columns) -> Iterator[sa.ColumnElement[bool]]:
    if query.flagged is not None:
        yield columns.flagged == sa.literal(query.flagged)
    for name in ("method", "region", "host_group", "severity"):
        wanted = getattr(query, name)
        if wanted is not None:
            yield any_of(columns[name], wanted.without_overlap())
    if query.text is not None:
        yield sa.or_(*(contains(columns[name], query.text) for name in _TEXT_COLUMNS))


def conditions(
    query: EventQuery, events: sa.FromClause = EVENTS
) -> Iterator[sa.ColumnElement[bool]]:
    """Return what must hold for an event to match, all of it; ``events`` may be some of them."""
    columns = events.c
    yield from _within(query, columns)
    yield from _others(query, columns)
    yield from (one.condition() for one in _indexed(query, columns))


def page(
    connection: sa.Connection, query: EventQuery, after: Position | None, limit: int
) -> list[Row]:
    """Return at most ``limit`` events that match, newest first, from after a position on.

    A page costs the same however late it is: there is no OFFSET into what matches.
    """
    columns = EVENTS.c
    time = list(_within(query, columns))
    if after is not None:
        time.append(before(after.timestamp, after.id))
    wanted = Wanted(list(_indexed(query, columns)), list(_others(query, columns)), limit)
    rows: list[Row] = []
    for statement in page_statements(connection, wanted, time, rows):
        result = connection.execute(statement)
        names = tuple(result.keys())
        rows += [dict(zip(names, row, strict=True)) for row in result.all()]
        if len(rows) >= limit:
            break
    return rows[:limit]
