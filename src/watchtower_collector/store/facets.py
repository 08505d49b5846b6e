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
from watchtower_collector.store.sqlite_steps import rows_within

if TYPE_CHECKING:
    from watchtower_collector.store.filters import Filter, Values
    from watchtower_collector.store.shape import Shape

_COLUMNS = frozenset({"hostname", "type", "method", "region", "host_group", "severity"})
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


def _read(
    connection: sa.Connection, filters: tuple[Filter, ...], values: Values, most: int
) -> list[str] | None:
    rows, is_all = rows_within(connection, _hosts(filters), values | {"limit": most + 1}, _STEPS)
    return [row["hostname"] for row in rows] if is_all and len(rows) <= most else None


@lru_cache(_STATEMENTS)
def _hosts(filters: tuple[Filter, ...]) -> sa.Select[Any]:
    """Return the statement for the hosts, in the order of their names."""
    columns = FACETS.c
    limit: sa.BindParameter[int] = sa.bindparam("limit", type_=sa.Integer)
    statement = sa.select(columns.hostname).distinct().order_by(columns.hostname).limit(limit)
    for one in filters:
        condition = one.condition(columns[one.column], later)
        if one.column != "hostname":
            condition |= columns.type == ANYTHING
        statement = statement.where(condition)
    return statement
