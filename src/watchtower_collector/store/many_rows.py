"""One statement for many rows, on the shortest way to SQLite."""

from __future__ import annotations

import itertools
import operator
from typing import TYPE_CHECKING

from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

    from watchtower_collector.store import Row

# As many as agents usually have in one commit. SQLite allows 32,766 values in a statement.
MAX_ROWS = 64


class ManyRows:
    """An insert as text, for any number of rows, with the order of its values.

    SQLAlchemy would take each row through a dictionary of parameters and a processor for each
    column, which SQLite's types do not need. ``executemany`` gives up Python's lock and waits for
    it again with every row: under load that takes longer than the insert itself.
    """

    def __init__(self, insert: sa.Insert) -> None:
        """Take an insert that has ON CONFLICT, and no parameters but the values of a row.

        Raises:
            ValueError: it is not such an insert.
        """
        compiled = insert.compile(dialect=sqlite_dialect(paramstyle="qmark"))
        names = compiled.positiontup or ()
        self._head, _, rest = str(compiled).partition(" VALUES ")
        self._row, _, self._tail = rest.partition(" ON CONFLICT ")
        if not self._tail or self._row.count("?") != len(names) or "?" in self._head + self._tail:
            raise ValueError(f"not an insert of one row with ON CONFLICT: {compiled}")
        self._values = operator.itemgetter(*names)
        # A text of its own for each number of rows; the driver keeps what it made of each.
        self._texts: dict[int, str] = {}

    def execute(self, connection: sa.Connection, rows: Sequence[Row]) -> int:
        """Execute it for all of ``rows``.

        Returns:
            How many rows of the table were inserted or changed.
        """
        done = 0
        for start in range(0, len(rows), MAX_ROWS):
            some = rows[start : start + MAX_ROWS]
            values = itertools.chain.from_iterable(map(self._values, some))
            done += connection.exec_driver_sql(self._text(len(some)), tuple(values)).rowcount
        return done

    def _text(self, rows: int) -> str:
        text = self._texts.get(rows)
        if text is None:
            values = ", ".join([self._row] * rows)
            text = self._texts[rows] = f"{self._head} VALUES {values} ON CONFLICT {self._tail}"
        return text
