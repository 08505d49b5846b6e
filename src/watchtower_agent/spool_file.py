"""The spool's SQLite file: making it, checking it, setting a damaged one aside."""

from __future__ import annotations

import logging
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from watchtower_agent.log import complain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
_BUSY_SECONDS = 10.0
_SCHEMA = f"""
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
BEGIN IMMEDIATE;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    importance INTEGER NOT NULL,
    type TEXT NOT NULL,
    size INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX events_by_importance ON events (importance, seq);
CREATE TABLE dead_letters (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    refused_at TEXT NOT NULL,
    reason TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL);
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""


class SpoolError(Exception):
    """The spool cannot be read or written now: disk full, read-only file system, ..."""


class DamagedSpoolError(Exception):
    """The spool was damaged while in use. Opening it anew sets it aside."""


class NewerSpoolError(Exception):
    """The spool was written by a later version of the agent."""


def open_spool_file(
    path: Path, check: Callable[[sqlite3.Connection], None]
) -> tuple[sqlite3.Connection, Path | None]:
    """Return a connection in autocommit mode, and where a damaged predecessor is kept if any.

    ``check`` raises some error if what the file holds makes no sense.

    Raises:
        SpoolError: the file can be neither opened nor made.
        NewerSpoolError: it must not be touched by this version.
    """
    with as_spool_error(path):
        try:
            return _open(path, check), None
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            aside = _move_aside(path)
            complain(
                log,
                "The spool %s was damaged (%s). It was kept as %s, and a new one is begun; "
                "the journal is read again from its beginning.",
                path,
                error,
                aside,
            )
            return _open(path, check), aside


@contextmanager
def as_spool_error(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system raise into one of this module's errors."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if _is_damage(error):
            raise DamagedSpoolError(f"the spool {path} is damaged: {error}") from error
        raise SpoolError(
            f"the spool {path} cannot be used: {error}. Check that the disk is not full, the file "
            "system not read-only, and that the directory belongs to the agent's user"
        ) from error


def _is_damage(error: Exception) -> bool:
    # A full disk, a lock and the like have classes of their own (PEP 249); the base class itself
    # stands for SQLITE_CORRUPT and SQLITE_NOTADB.
    return type(error) is sqlite3.DatabaseError


def _open(path: Path, check: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    is_new = not path.exists()
    if not is_new and not path.stat().st_size:
        # SQLite would begin a new one in its place, and nobody would know of the old one.
        raise sqlite3.DatabaseError("it is empty")
    connection = sqlite3.connect(
        str(path), timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    # Else one byte of damage in a text would be an error at each reading, for good.
    connection.text_factory = lambda text: text.decode("utf-8", "backslashreplace")
    try:
        path.chmod(0o600)
        _prepare(connection, path)
        check(connection)
    except BaseException as error:
        connection.close()
        if is_new:
            # What a full disk leaves of it must not look like one that has lost its content.
            path.unlink()
        if isinstance(error, (ValueError, TypeError, AttributeError, OverflowError)):
            raise sqlite3.DatabaseError(f"it holds nonsense: {error}") from error
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise NewerSpoolError(
            f"the spool {path} has version {version}, and this agent knows {SCHEMA_VERSION}: "
            "install the later agent again, or move the file away (its events are then not sent)"
        )
    if version == 0:
        connection.executescript(_SCHEMA)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA journal_size_limit = 1048576")
    # Not quick_check: it does not look whether the indexes fit, and a use of one that does not is
    # an error each time.
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)
    # Nor does that look whether columns are called as they were.
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(_SCHEMA)
        if _columns(connection) != _columns(fresh):
            raise sqlite3.DatabaseError("its tables are not a spool's")


def _columns(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        "SELECT tables.name, columns.* "
        "FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns "
        "WHERE tables.type = 'table' ORDER BY tables.name, columns.cid"
    ).fetchall()


def _move_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(f"{aside}{suffix}")
    return aside
