"""Questions to the store, and the statements that answer them in either database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from watchtower_collector.store.matching import Texts, any_of
from watchtower_collector.store.schema import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watchtower_collector.store import Row

# Free text is looked for in what came from outside, as it was written.
_TEXT_COLUMNS = (
    EVENTS.c.raw_message,
    EVENTS.c.user,
    EVENTS.c.hostname,
    EVENTS.c.source_ip,
    EVENTS.c.key_fingerprint,
    EVENTS.c.certificate_id,
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


def _in_range(first: bytes, last: bytes) -> sa.ColumnElement[bool]:
    if first == last:
        return EVENTS.c.source_addr == first
    return EVENTS.c.source_addr.between(first, last)


def conditions(query: EventQuery) -> Iterator[sa.ColumnElement[bool]]:
    """Return what must hold for an event to match, all of it."""
    for name in ("user", "hostname", "method", "type", "region", "host_group", "severity"):
        wanted = getattr(query, name)
        if wanted is not None:
            yield any_of(EVENTS.c[name], wanted)
    if query.flagged is not None:
        yield EVENTS.c.flagged == sa.literal(query.flagged)
    if query.sources:
        yield sa.or_(*(_in_range(first, last) for first, last in query.sources))
    if query.since is not None:
        yield EVENTS.c.timestamp >= query.since
    if query.until is not None:
        yield EVENTS.c.timestamp < query.until
    if query.text is not None:
        yield sa.or_(*(c.icontains(query.text, autoescape=True) for c in _TEXT_COLUMNS))


def select_page(query: EventQuery, after: Position | None, limit: int) -> sa.Select[Any]:
    """Return the statement for one keyset page: no OFFSET, so a late page costs like the first."""
    statement = sa.select(EVENTS).where(*conditions(query))
    if after is not None:
        key = sa.tuple_(EVENTS.c.timestamp, EVENTS.c.id)
        statement = statement.where(key < sa.tuple_(after.timestamp, after.id))
    return statement.order_by(EVENTS.c.timestamp.desc(), EVENTS.c.id.desc()).limit(limit)


def page(
    connection: sa.Connection, query: EventQuery, after: Position | None, limit: int
) -> list[Row]:
    """Return at most ``limit`` events that match, newest first, from after a position on."""
    return [dict(row) for row in connection.execute(select_page(query, after, limit)).mappings()]
