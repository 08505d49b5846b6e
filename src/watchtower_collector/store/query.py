"""Questions to the store, and the statements that answer them in either database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

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

    user: str | None = None
    hostname: str | None = None
    method: str | None = None
    type: str | None = None
    region: str | None = None
    host_group: str | None = None
    severity: str | None = None
    flagged: bool | None = None
    source: tuple[bytes, bytes] | None = None
    """First and last address, both included, as sortable bytes."""
    since: int | None = None
    """Included."""
    until: int | None = None
    """Not included, so that adjoining ranges share no event."""
    text: str | None = None


def _conditions(query: EventQuery) -> Iterator[sa.ColumnElement[bool]]:
    for name in ("user", "hostname", "method", "type", "region", "host_group", "severity"):
        wanted = getattr(query, name)
        if wanted is not None:
            yield EVENTS.c[name] == wanted
    if query.flagged is not None:
        yield EVENTS.c.flagged == sa.literal(query.flagged)
    if query.source is not None:
        first, last = query.source
        if first == last:
            yield EVENTS.c.source_addr == first
        else:
            yield EVENTS.c.source_addr.between(first, last)
    if query.since is not None:
        yield EVENTS.c.timestamp >= query.since
    if query.until is not None:
        yield EVENTS.c.timestamp < query.until
    if query.text is not None:
        yield sa.or_(*(c.icontains(query.text, autoescape=True) for c in _TEXT_COLUMNS))


def select_page(query: EventQuery, after: Position | None, limit: int) -> sa.Select[Any]:
    """Return the statement for one keyset page: no OFFSET, so a late page costs like the first."""
    statement = sa.select(EVENTS).where(*_conditions(query))
    if after is not None:
        key = sa.tuple_(EVENTS.c.timestamp, EVENTS.c.id)
        statement = statement.where(key < sa.tuple_(after.timestamp, after.id))
    return statement.order_by(EVENTS.c.timestamp.desc(), EVENTS.c.id.desc()).limit(limit)


def page(
    connection: sa.Connection, query: EventQuery, after: Position | None, limit: int
) -> list[Row]:
    """Return at most ``limit`` events that match, newest first, from after a position on."""
    return [dict(row) for row in connection.execute(select_page(query, after, limit)).mappings()]
