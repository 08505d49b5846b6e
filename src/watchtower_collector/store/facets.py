"""Which hosts have events of a kind, known without looking for the events.

``facets`` has each combination of host, type, method and labels that there is among the events:
some ten for a host, however many events it has. An event and its combination are stored in one
transaction. One whose events are gone may still be there for a while.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from watchtower_collector.store.filters import later
from watchtower_collector.store.schema import FACETS
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

    ``None`` when these are more than ``most``, when it is not known soon, and when none of the
    filters is of a facet. The list holds every host with such events, also if some were deleted.
    """
    filters = tuple(one for one in shape.filters if one.column in _COLUMNS)
    if not filters:
        return None
    limited = values | {"limit": most + 1}
    rows, is_all = rows_within(connection, _hosts(filters), limited, _STEPS)
    return [row["hostname"] for row in rows] if is_all and len(rows) <= most else None


@lru_cache(_STATEMENTS)
def _hosts(filters: tuple[Filter, ...]) -> sa.Select[Any]:
    conditions = (one.condition(FACETS.c[one.column], later) for one in filters)
    limit: sa.BindParameter[int] = sa.bindparam("limit", type_=sa.Integer)
    return sa.select(FACETS.c.hostname).distinct().where(*conditions).limit(limit)
