"""One statement for many rows, on the shortest way to SQLite."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

if TYPE_CHECKING:
    from collections.abc import Iterable

    import sqlalchemy as sa

    from watchtower_collector.store import Row


class ManyRows:
    """A statement as text, with the order of its values.

    SQLAlchemy would take each row through a dictionary of parameters and a processor for each
    column, which SQLite's types do not need.
    """

    def __init__(self, statement: sa.Insert) -> None:
        compiled = statement.compile(dialect=sqlite_dialect(paramstyle="qmark"))
        self._text = str(compiled)
        self._values = operator.itemgetter(*(compiled.positiontup or ()))

    def execute(self, connection: sa.Connection, rows: Iterable[Row]) -> int:
        """Execute it for each of ``rows``, of which there is one at least.

        Returns:
            How many rows of the table were inserted or changed.
        """
        values = [self._values(row) for row in rows]
        return connection.exec_driver_sql(self._text, values).rowcount
