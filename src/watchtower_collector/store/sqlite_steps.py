"""How long SQLite may take for a statement: until a moment, and for some until so much is done.

SQLite calls back after so many steps of its virtual machine, and ends the statement when told to.
A step is the same work on every machine, so what is bounded in steps does not depend on its load.
"""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa

if TYPE_CHECKING:
    from watchtower_collector.store import Row
    from watchtower_collector.store.filters import Values

    Statement = sa.Select[Any] | sa.CompoundSelect[*tuple[Any, ...]]

# Some milliseconds. Each call waits for Python's lock, so it should not be made more often.
_CLOCK_STEPS = 100_000
# SQLite counts on where the statement's last run ended, so the first call comes anywhere between
# at once and when it is due: a bound is made of several calls.
_CALLS = 8
_STATEMENTS = 512


@dataclass(frozen=True, slots=True)
class Bound:
    """How many steps a statement may take: so many, and more if by then it has found enough."""

    steps: int
    enough: int = 0
    """How many rows that is."""
    more: int = 0


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A statement as SQLite's driver takes it."""

    text: str
    parameters: tuple[str, ...]
    """Their names, in order."""
    own: Values
    """Those that the statement has values for."""
    columns: tuple[str, ...]
    booleans: tuple[str, ...]
    """Columns whose numbers mean true and false."""


def driver(connection: sa.Connection) -> sqlite3.Connection:
    """Return Python's own connection."""
    found: Any = connection.connection.driver_connection  # of a type that SQLAlchemy does not know
    return cast("sqlite3.Connection", found)


def end_at(connection: sa.Connection, deadline: float) -> None:
    """Interrupt whatever this connection reads after a moment of the monotonic clock."""
    connection.info["deadline"] = deadline
    driver(connection).set_progress_handler(lambda: time.monotonic() > deadline, _CLOCK_STEPS)


def rows_within(
    connection: sa.Connection, statement: Statement, values: Values, bound: Bound | None
) -> tuple[list[Row], bool]:
    """Return what a statement finds within a bound, and whether that is all there is.

    The steps may be an eighth fewer, and hardly any after the deadline. Without a bound it is all.
    Rows come in the statement's order, as dictionaries.

    The statement goes to SQLite's driver directly. SQLAlchemy writes its text, once; its way to
    run it takes as long as SQLite needs for half a page.
    """
    prepared = _prepare(connection.dialect, statement)
    rows: list[Row] = []
    if bound is None:
        _read(connection, prepared, values, rows)
        return rows, True
    interval = max(bound.steps // _CALLS, 1)
    deadline: float = connection.info["deadline"]
    calls = 0

    def is_over() -> bool:
        nonlocal calls
        calls += 1
        if time.monotonic() > deadline:
            return True
        if calls < _CALLS:
            return False
        return len(rows) < bound.enough or calls * interval >= bound.steps + bound.more

    driver(connection).set_progress_handler(is_over, interval)
    try:
        _read(connection, prepared, values, rows)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return rows, False
    finally:
        end_at(connection, deadline)
    return rows, True


@lru_cache(_STATEMENTS)
def _prepare(dialect: sa.Dialect, statement: Statement) -> _Prepared:
    """Return the statement prepared. The same object is prepared once, so it should be kept."""
    compiled = statement.compile(dialect=dialect)
    columns = statement.selected_columns
    return _Prepared(
        text=str(compiled),
        parameters=tuple(compiled.positiontup or ()),
        own={name: value for name, value in compiled.params.items() if value is not None},
        columns=tuple(columns.keys()),
        booleans=tuple(name for name, one in columns.items() if isinstance(one.type, sa.Boolean)),
    )


def _read(connection: sa.Connection, prepared: _Prepared, values: Values, rows: list[Row]) -> None:
    """Add to ``rows`` what the statement finds. Those before an interrupt stay."""
    own = prepared.own
    given = [values[name] if name in values else own[name] for name in prepared.parameters]
    for record in driver(connection).execute(prepared.text, given):
        row = dict(zip(prepared.columns, record, strict=True))
        for name in prepared.booleans:
            row[name] = bool(row[name])
        rows.append(row)
