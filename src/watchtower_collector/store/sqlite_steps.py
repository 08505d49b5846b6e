"""How long SQLite may take for a statement: until a moment, and for some until so much is done.

SQLite calls back after so many steps of its virtual machine, and ends the statement when told to.
A step is the same work on every machine, so what is bounded in steps does not depend on its load.
"""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa

if TYPE_CHECKING:
    from watchtower_collector.store import Row
    from watchtower_collector.store.filters import Values

# Some milliseconds. Each call waits for Python's lock, so it should not be made more often.
_CLOCK_STEPS = 100_000
# SQLite counts on where the statement's last run ended, so the first call comes anywhere between
# at once and when it is due: a bound is made of several calls.
_CALLS = 8


def driver(connection: sa.Connection) -> sqlite3.Connection:
    """Return Python's own connection."""
    found: Any = connection.connection.driver_connection  # of a type that SQLAlchemy does not know
    return cast("sqlite3.Connection", found)


def end_at(connection: sa.Connection, deadline: float) -> None:
    """Interrupt whatever this connection reads after a moment of the monotonic clock."""
    connection.info["deadline"] = deadline
    driver(connection).set_progress_handler(lambda: time.monotonic() > deadline, _CLOCK_STEPS)


def rows_within(
    connection: sa.Connection, statement: sa.Select[Any], values: Values, steps: int | None
) -> tuple[list[Row], bool]:
    """Return what a statement finds within so many steps, and whether that is all there is.

    The steps may be an eighth fewer. Without a bound it is all. Rows come in the statement's
    order, as dictionaries.
    """
    if steps is None:
        result = connection.execute(statement, values)
        names = tuple(result.keys())
        return [dict(zip(names, row, strict=True)) for row in result.all()], True
    rows: list[Row] = []
    calls = iter(range(_CALLS - 1))
    driver(connection).set_progress_handler(
        lambda: next(calls, None) is None, max(steps // _CALLS, 1)
    )
    try:
        result = connection.execute(statement, values)
        names = tuple(result.keys())
        for row in result:
            rows.append(dict(zip(names, row, strict=True)))  # noqa: PERF401  # an interrupt keeps them
    except sa.exc.OperationalError as error:
        if not _is_interrupt(error):
            raise
        return rows, False
    finally:
        end_at(connection, connection.info["deadline"])
    return rows, True


def _is_interrupt(error: sa.exc.OperationalError) -> bool:
    return (
        isinstance(error.orig, sqlite3.Error)
        and error.orig.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT
    )
