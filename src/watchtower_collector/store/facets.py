"""Which hosts have events of a kind, known without looking for the events.

``facets`` has each combination of host, type, method and labels that there is among the events:
some twenty for a host, however many events it has, and 500 at most, from where on the host may
have anything. An event and its combination are stored in one transaction. A combination whose
events are gone may still be there for a while.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from watchtower_collector.store.filters import later
from watchtower_collector.store.schema import ANYTHING, FACETS
from watchtower_collector.store.sqlite_steps import Bound, rows_within

if TYPE_CHECKING:
    from watchtower_collector.store.filters import Condition, Filter, Values
    from watchtower_collector.store.shape import Shape

_COLUMNS = frozenset({"hostname", "type", "method", "region", "host_group", "severity"})
# Looked up in the events themselves, unless these are read by time.
_IN_NO_INDEX = frozenset({"method", "region", "host_group", "severity"})
# In steps of SQLite's machine: the combinations of some thousand hosts.
_STEPS = 400_000
_STATEMENTS = 64


def hosts_of(
    connection: sa.Connection, shape: Shape, values: Values, most: int
) -> list[str] | None:
    """Return the hosts that may have events which match, as far as facets tell.

    Every host with such events is among them, and maybe some whose such events are deleted.
    ``None`` when it is no help: when they are more than ``most``, or all that there are or that
    were asked for, when none of the filters is of a facet, and when it is not known soon.
    """
    filters = tuple(one for one in shape.filters if one.column in _COLUMNS)
    if not filters:
        return None
    hosts = _read(connection, filters, values, most)
    if hosts:
        named = [one.values for one in filters if one.column == "hostname" and not one.ranges]
        if named == [len(hosts)] or hosts == _read(connection, (), values, most):
            return None
    return hosts


def without_implied(connection: sa.Connection, shape: Shape, values: Values) -> Shape:
    """Return the shape without filters that each event of its hosts and types passes anyway.

    Most hosts have one region, one group, and one severity. No index by host has them, so to look
    at them is to look up each event. The shape must name its hosts.
    """
    filters = tuple(one for one in shape.filters if one.column in _COLUMNS)
    if any(one.column in _IN_NO_INDEX for one in filters):
        (row,), _ = rows_within(connection, _implied(filters), values, None)
        shape = shape.without(*(one for one in filters if row.get(one.column) == 1))
    return shape


def _read(
    connection: sa.Connection, filters: tuple[Filter, ...], values: Values, most: int
) -> list[str] | None:
    limit = {"limit": most + 1}
    rows, is_all = rows_within(connection, _hosts(filters), values | limit, Bound(_STEPS))
    return [row["hostname"] for row in rows] if is_all and len(rows) <= most else None


@lru_cache(_STATEMENTS)
def _hosts(filters: tuple[Filter, ...]) -> sa.Select[Any]:
    """Return the statement for the hosts, in the order of their names."""
    columns = FACETS.c
    limit: sa.BindParameter[int] = sa.bindparam("limit", type_=sa.Integer)
    statement = sa.select(columns.hostname).distinct().order_by(columns.hostname).limit(limit)
    return statement.where(*(_may_match(one) for one in filters))


@lru_cache(_STATEMENTS)
def _implied(filters: tuple[Filter, ...]) -> sa.Select[Any]:
    """Return the statement that says of each filter without an index whether all pass it."""
    matching: list[sa.ColumnElement[Any]] = []
    others = []
    for one in filters:
        if one.column in _IN_NO_INDEX:
            column = FACETS.c[one.column]
            # '' stands for NULL here, which passes no filter.
            passes = sa.and_(one.condition(column, later), column != "")
            matching.append(sa.func.min(passes).label(one.column))
        else:
            others.append(_may_match(one))
    return sa.select(*matching).where(*others)


def _may_match(one: Filter) -> Condition:
    condition = one.condition(FACETS.c[one.column], later)
    return condition if one.column == "hostname" else condition | (FACETS.c.type == ANYTHING)
