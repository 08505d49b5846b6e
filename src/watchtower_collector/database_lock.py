"""Who may have the database open: everybody who uses it, or one who replaces it.

SQLite's own locks are on the files that a restore replaces, so they cannot keep anybody out while
it does. This lock is flock(2) on a file of its own beside them, which is never replaced or
removed. The kernel gives it back when its process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from watchtower_collector.keeping_errors import DatabaseInUseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def _open(database: Path) -> int:
    path = database.with_name(database.name + ".lock")
    # NOFOLLOW: root may come here, and the directory belongs to a service.
    flags = os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o600)


@contextmanager
def using_database(database: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Keep every restore away while the database is open; any number of processes may.

    While a restore replaces the database this waits for its end, having called ``waiting`` once.

    Raises:
        OSError: the lock file cannot be opened.
    """
    descriptor = _open(database)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def replacing_database(database: Path) -> Iterator[None]:
    """Keep everybody else away while the database is replaced.

    Raises:
        DatabaseInUseError: somebody uses it now; nothing is waited for.
        OSError: the lock file cannot be opened.
    """
    descriptor = _open(database)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise in_use(database) from None
        yield
    finally:
        os.close(descriptor)


def in_use(database: Path) -> DatabaseInUseError:
    """Return the error that says how to free the database."""
    return DatabaseInUseError(
        f"{database} is in use by the collector, a backup or another restore. Stop the collector, "
        "and its socket, which would start it again: systemctl stop watchtower-collector.socket "
        "watchtower-collector.service"
    )
