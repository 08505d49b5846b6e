"""Questions to the store, and the statements that answer them in either database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from watchtower_collector.store.filters import asked, asked_texts, now
from watchtower_collector.store.schema import EVENTS
from watchtower_collector.store.shape import LIKE_ESCAPE, Shape
from watchtower_collector.store.sqlite_indexes import Found, page_statements
from watchtower_collector.store.sqlite_steps import rows_within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import sqlalchemy as sa

    from watchtower_collector.store import Row
    from watchtower_collector.store.filters import Condition, Filter, Values
    from watchtower_collector.store.matching import Texts


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


def _sources(sources: Sequence[tuple[bytes, bytes]]) -> tuple[Filter, Values]:
    joined: list[tuple[bytes, bytes]] = []
    for first, last in sorted(sources):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    values = [first for first, last in joined if first == last]
    ranges = [(first, _following(last)) for first, last in joined if first != last]
    return asked("source_addr", values, ranges)


def _following(address: bytes) -> bytes | None:
    number = int.from_bytes(address) + 1
    return None if number >> 8 * len(address) else number.to_bytes(len(address))


def _like(text: str) -> str:
    for special in (LIKE_ESCAPE, "%", "_"):
        text = text.replace(special, LIKE_ESCAPE + special)
    return f"%{text}%"


def _filters(query: EventQuery) -> Iterator[tuple[Filter, Values]]:
    # Those with an index first, and of them the one that is likely to be the rarest.
    if query.sources:
        yield _sources(query.sources)
    for name in ("user", "hostname", "type", "method", "region", "host_group", "severity"):
        wanted = getattr(query, name)
        if wanted is not None:
            yield asked_texts(name, wanted)
    if query.flagged is not None:
        yield asked("flagged", [query.flagged])


def _shape_of(query: EventQuery, after: Position | None) -> tuple[Shape, Values]:
    values: Values = {}
    filters = []
    for one, bound in _filters(query):
        filters.append(one)
        values |= bound
    if query.since is not None:
        values["since"] = query.since
    if query.until is not None:
        values["until"] = query.until
    if query.text is not None:
        values["text"] = _like(query.text)
    if after is not None:
        values["after_timestamp"], values["after_id"] = after.timestamp, after.id
    return Shape.of(filters, values), values


def conditions(query: EventQuery, events: sa.FromClause = EVENTS) -> Iterator[Condition]:
    """Return what must hold for an event to match, all of it; ``events`` may be some of them."""
    shape, values = _shape_of(query, None)
    bind = now(values)
    yield from shape.within(events.c, bind)
    yield from shape.matching(events.c, bind)


def page(
    connection: sa.Connection, query: EventQuery, after: Position | None, limit: int
) -> list[Row]:
    """Return at most ``limit`` events that match, newest first, from after a position on.

    A page costs the same however late it is: there is no OFFSET into what matches.
    """
    shape, values = _shape_of(query, after)
    found = Found(values | {"limit": limit}, limit)
    for statement, bound in page_statements(connection, shape, found):
        rows, is_all = rows_within(connection, statement, found.values, bound)
        found.add(rows)
        if len(found.rows) >= limit or (is_all and bound is not None):
            break
    return found.rows
