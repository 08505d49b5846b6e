"""What a SQLite database needs from time to time."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sa

# SQLite cuts the log back to this size when it begins it anew, which it can do whenever no reader
# needs what is in it.
WAL_BYTES = 64 << 20
_WAIT_SECONDS = 1.0

_log = logging.getLogger(__name__)


def wal_path(database: Path) -> Path:
    """Return where SQLite keeps the write-ahead log of a database."""
    return database.with_name(database.name + "-wal")


def wal_bytes(database: Path) -> int:
    """Return the size of the write-ahead log, 0 when there is none."""
    try:
        return wal_path(database).stat().st_size
    except FileNotFoundError:
        return 0


def bound_wal(database: Path) -> None:
    """Write the log back and cut it off, if readers that follow one another kept it growing.

    One that stays, such as a forgotten ``sqlite3`` shell, keeps it from being cut: nothing but its
    end helps, so its end is asked for. The writer must not be in a transaction.

    Raises:
        sqlite3.Error: whatever else the database says.
    """
    if wal_bytes(database) <= WAL_BYTES:
        return
    # A connection of its own, because it waits for less long.
    with closing(sqlite3.connect(database, timeout=_WAIT_SECONDS, isolation_level=None)) as own:
        blocked, *_ = own.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if blocked:
        _log.warning(
            "the write-ahead log of %s has grown to %d MB, because another program has been "
            "reading the database for a while: a backup, or one to end (fuser %s tells which)",
            database,
            wal_bytes(database) >> 20,
            database,
        )


def refresh_statistics(database: Path) -> None:
    """Let SQLite look at a few hundred entries of each index, for its plans. Takes milliseconds.

    Raises:
        sqlite3.Error: whatever the database says.
    """
    with closing(sqlite3.connect(database, isolation_level=None)) as own:
        own.execute("PRAGMA analysis_limit = 400")
        # Before 3.46, PRAGMA optimize looks only at what this very connection has asked for.
        optimizes_all = sqlite3.sqlite_version_info >= (3, 46)
        own.execute("PRAGMA optimize = 0x10002" if optimizes_all else "ANALYZE")


def used_bytes(connection: sa.Connection) -> int:
    """Return how much of the database file is in use; what was deleted leaves room in it."""
    pages, free, size = (
        connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
