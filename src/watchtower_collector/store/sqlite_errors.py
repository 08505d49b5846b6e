"""What SQLite's errors mean for an operator."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa

from watchtower_collector.store import StoreUnavailableError, StoreUnusableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_WRONG_PATH = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)
# Result codes of https://www.sqlite.org/rescode.html, by the start of their name.
REASONS = (
    ("SQLITE_FULL", "disk_full", "the disk is full: free some space"),
    ("SQLITE_IOERR", "io_error", "the disk fails: look at the kernel's log (journalctl -k)"),
    ("SQLITE_BUSY", "locked", "another program holds its lock: a backup that hangs?"),
    ("SQLITE_LOCKED", "locked", "another program holds its lock: a backup that hangs?"),
    ("SQLITE_READONLY", "read_only", "it cannot be written: a file system mounted read-only?"),
    ("SQLITE_CANTOPEN", "cannot_open", "it cannot be opened: directory gone, or not permitted?"),
    ("SQLITE_CORRUPT", "corrupt", "it is damaged: restore a backup"),
    ("SQLITE_NOTADB", "corrupt", "it is not a SQLite database: restore a backup, or move it away"),
    ("SQLITE_INTERRUPT", "too_slow", "the query takes too long: narrow it with since and until"),
)


def _explain(path: Path, error: sqlite3.Error) -> StoreUnavailableError:
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    for start, reason, advice in REASONS:
        if name.startswith(start):
            return StoreUnavailableError(reason, f"database {path}: {advice} ({name})")
    return StoreUnavailableError("database_error", f"database {path}: {error} ({name})")


def cannot_open(path: Path, error: OSError) -> StoreUnusableError | StoreUnavailableError:
    """Return what it means that the database, or its lock file, cannot be opened."""
    if isinstance(error, _WRONG_PATH):
        return StoreUnusableError(
            f"cannot open the database {path}: {error.strerror}; its directory must exist and "
            "belong to the user that the collector runs as (WATCHTOWER_DB_PATH)"
        )
    return StoreUnavailableError(
        "cannot_open", f"cannot open the database {path}: {error.strerror}"
    )


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the driver raises into the store's own errors.

    Raises:
        StoreUnavailableError: with the reason and what to do.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise _explain(path, error.orig) from error
        raise
    except sqlite3.Error as error:
        raise _explain(path, error) from error
