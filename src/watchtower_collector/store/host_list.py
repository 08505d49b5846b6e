"""What is known of each host, as a list in the order of their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from watchtower_collector.store.filters import any_of
from watchtower_collector.store.schema import HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watchtower_collector.store import Row
    from watchtower_collector.store.matching import Texts


@dataclass(frozen=True, slots=True)
class HostQuery:
    """Which hosts are wanted; all that is set must hold."""

    silent_before: int
    """Microseconds since 1970: a host last heard of before then is silent."""
    silent: bool | None = None
    hostname: Texts | None = None


def is_silent(host: Row, silent_before: int) -> bool:
    """Return whether the host is silent.

    Only a host that once sent a heartbeat can be: the others never promised to be heard of.
    """
    return host["last_heartbeat"] is not None and host["last_seen"] < silent_before


def _silence(silent_before: int) -> sa.ColumnElement[bool]:
    """Return the condition that ``is_silent`` tests."""
    return sa.and_(HOSTS.c.last_heartbeat.is_not(None), HOSTS.c.last_seen < silent_before)


def _conditions(query: HostQuery, after: str | None) -> Iterator[sa.ColumnElement[bool]]:
    if query.hostname is not None:
        yield any_of(HOSTS.c.hostname, query.hostname)
    silence = _silence(query.silent_before)
    if query.silent is not None:
        yield silence if query.silent else sa.not_(silence)
    if after is not None:
        yield HOSTS.c.hostname > after


def host_page(
    connection: sa.Connection, query: HostQuery, after: str | None, limit: int
) -> list[Row]:
    """Return at most ``limit`` hosts by name, from after a name on."""
    statement = sa.select(HOSTS).where(*_conditions(query, after))
    statement = statement.order_by(HOSTS.c.hostname).limit(limit)
    return [dict(row) for row in connection.execute(statement).mappings()]


@dataclass(frozen=True, slots=True)
class HostCounts:
    """The hosts in numbers."""

    known: int
    silent: int
    in_trouble: int
    spooled_events: float
    """What waits on all of them together, by their last heartbeats."""


def count_hosts(connection: sa.Connection, silent_before: int) -> HostCounts:
    """Count the hosts; those last heard of before a moment are silent, as in ``is_silent``."""
    silent = sa.case((_silence(silent_before), 1))
    row = connection.execute(
        sa.select(
            sa.func.count(),
            sa.func.count(silent),
            sa.func.count(HOSTS.c.trouble),
            # As floats: one host that claims the largest number must not overflow the sum.
            sa.func.coalesce(sa.func.sum(sa.cast(HOSTS.c.spool_depth, sa.Float)), 0.0),
        )
    ).one()
    return HostCounts(*row)
