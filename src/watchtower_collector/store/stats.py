"""Counting events: in all, by the values of a field, by hours or days."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from watchtower_collector.store.query import conditions
from watchtower_collector.store.schema import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from watchtower_collector.store.query import EventQuery

Value = str | bool | None
MAX_TEXT_BYTES = 10 << 20  # of the values in one answer, each once for every interval


class TooMuchTextError(Exception):
    """The values, once for each interval, are more than ``MAX_TEXT_BYTES``."""


@dataclass(frozen=True, slots=True)
class StatsQuery:
    """What is counted, and how it is divided."""

    events: EventQuery
    by: str | None
    """A field of the events."""
    top: int
    """How many of its values are counted apart: the most frequent ones."""
    buckets: Sequence[int] | None
    """Where the intervals begin, in microseconds since 1970; ``None``: time is not divided."""
    bucket_us: int


@dataclass(frozen=True, slots=True)
class Count:
    """So many events of one interval with one value, or with all values beyond the top."""

    time: int | None
    value: Value
    is_other: bool
    count: int


def count_events(connection: sa.Connection, query: StatsQuery) -> tuple[int, list[Count]]:
    """Return how many events match, and how they divide.

    Every interval has a count for every value, 0 included. Memory depends on what is asked for,
    never on how many events or values there are: the database groups them.

    Raises:
        TooMuchTextError: the values are too long to be repeated for each interval.
    """
    wanted = list(conditions(query.events))
    totals: dict[int | None, int] = dict(connection.execute(select_totals(query)).all())
    total = sum(totals.values())
    if query.by is None:
        return total, [Count(time, None, False, totals.get(time, 0)) for time in _times(query)]
    top = _top_values(connection, EVENTS.c[query.by], wanted, query.top)
    if sum(_text_bytes(value) for _, value in top) * len(_times(query)) > MAX_TEXT_BYTES:
        raise TooMuchTextError
    found = top if query.buckets is None else _top_by_bucket(connection, query, wanted, top)
    has_other = sum(top.values()) < total
    counts: list[Count] = []
    for time in _times(query):
        here = [Count(time, value, False, found.get((time, value), 0)) for _, value in top]
        here.sort(key=lambda count: -count.count)
        counts += here
        if has_other:
            rest = totals.get(time, 0) - sum(count.count for count in here)
            counts.append(Count(time, None, True, rest))
    return total, counts


_Key = tuple[int | None, Value]


def _times(query: StatsQuery) -> Sequence[int | None]:
    return [None] if query.buckets is None else query.buckets


def _text_bytes(value: Value) -> int:
    """Return how long a value is in an answer: a control character is six bytes there."""
    return len(json.dumps(value, ensure_ascii=False).encode())


def _bucket(width: int) -> sa.ColumnElement[int]:
    # Twice the remainder: before 1970 the first one is negative. The width stands in the text, so
    # that PostgreSQL sees one expression in SELECT and GROUP BY, not two with parameters.
    us: sa.ColumnElement[int] = sa.literal_column(str(width), sa.BigInteger)
    time = EVENTS.c.timestamp
    return time - (time % us + us) % us


def select_totals(query: StatsQuery) -> sa.Select[Any, Any]:
    """Return the statement that counts the events, for each interval if there are any."""
    wanted = conditions(query.events)
    if query.buckets is None:
        return sa.select(sa.null(), sa.func.count()).select_from(EVENTS).where(*wanted)
    bucket = _bucket(query.bucket_us)
    return sa.select(bucket, sa.func.count()).where(*wanted).group_by(bucket)


def _top_values(
    connection: sa.Connection,
    column: sa.ColumnElement[Any],
    wanted: Iterable[sa.ColumnElement[bool]],
    top: int,
) -> dict[_Key, int]:
    count = sa.func.count()
    # Ties by value, so that the same question has the same answer.
    statement = (
        sa.select(column, count)
        .where(*wanted)
        .group_by(column)
        .order_by(count.desc(), column.nulls_last())
        .limit(top)
    )
    return {(None, value): number for value, number in connection.execute(statement)}


def _top_by_bucket(
    connection: sa.Connection,
    query: StatsQuery,
    wanted: Iterable[sa.ColumnElement[bool]],
    top: Iterable[_Key],
) -> dict[_Key, int]:
    column, bucket = EVENTS.c[query.by or ""], _bucket(query.bucket_us)
    values = [value for _, value in top]
    is_top: sa.ColumnElement[bool] = column.in_([value for value in values if value is not None])
    if None in values:
        is_top = sa.or_(is_top, column.is_(None))
    statement = (
        sa.select(bucket, column, sa.func.count()).where(*wanted, is_top).group_by(bucket, column)
    )
    return {(time, value): number for time, value, number in connection.execute(statement)}
