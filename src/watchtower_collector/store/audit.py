"""The audit trail: who asked what with an admin key, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from watchtower_collector.store.filters import any_of
from watchtower_collector.store.schema import AUDIT

if TYPE_CHECKING:
    from watchtower_collector.store.matching import Texts


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which entries are wanted; all that is set must hold. Times in microseconds since 1970."""

    since: int | None = None
    """Included."""
    until: int | None = None
    """Not included."""
    path: Texts | None = None


def note(connection: sa.Connection, entry: dict[str, Any]) -> None:
    """Add one entry, a row of ``audit`` without its id."""
    connection.execute(sa.insert(AUDIT), entry)


def entries(
    connection: sa.Connection, query: AuditQuery, before: int | None, limit: int
) -> list[dict[str, Any]]:
    """Return at most ``limit`` entries that match, newest first, with ids below ``before``."""
    statement = sa.select(AUDIT).order_by(AUDIT.c.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(AUDIT.c.id < before)
    if query.since is not None:
        statement = statement.where(AUDIT.c.at >= query.since)
    if query.until is not None:
        statement = statement.where(AUDIT.c.at < query.until)
    if query.path is not None:
        statement = statement.where(any_of(AUDIT.c.path, query.path))
    return [dict(row) for row in connection.execute(statement).mappings()]
