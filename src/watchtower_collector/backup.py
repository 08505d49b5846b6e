"""Online backup: a whole, checked copy of the database while the collector writes."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from watchtower_collector.acting_as import acting_as_owner
from watchtower_collector.backup_directory import open_backup_directory
from watchtower_collector.database_check import CheckError, Contents, check_database
from watchtower_collector.database_lock import using_database
from watchtower_collector.keeping_errors import BackupError

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_DIRECTORY = Path("/var/backups/watchtower")
DEFAULT_KEEP = 14

_STEP_PAGES = 2_048  # 8 MiB, a few milliseconds: how soon Ctrl-C is heard and progress shown
_SPARE_BYTES = 1 << 20  # what a file system needs for itself


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made and checked."""

    path: Path
    size: int
    contents: Contents
    removed: tuple[Path, ...]
    """Older backups that made room for it."""


def back_up(
    database: Path,
    directory: Path = DEFAULT_DIRECTORY,
    keep: int = DEFAULT_KEEP,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Backup:
    """Copy ``database`` into ``directory``, check the copy, and keep the newest ``keep`` of them.

    Everything that was committed before the call is in it. The collector may run or not; it is
    never made to wait. ``progress`` is called with the pages copied so far and all of them.

    Raises:
        BackupError: no backup was made; older ones are all still there.
    """
    if keep < 1:
        raise BackupError(f"at least one backup must be kept, not {keep}")
    try:
        if not database.exists():
            raise BackupError(
                f"there is no database {database}: if it is elsewhere, set WATCHTOWER_DB_PATH"
            )
        _make_directory(directory, database.parent)
        with acting_as_owner(database.parent):
            return _back_up(database, directory, keep, progress)
    except CheckError as error:
        raise BackupError(f"the copy is no good, and was removed: {error}") from error
    except sqlite3.Error as error:
        raise BackupError(f"cannot copy {database} into {directory}: {error}") from error
    except OSError as error:
        raise BackupError(
            f"cannot copy {database} into {directory}: {error.filename or ''} {error.strerror}. "
            f"Both must belong to the collector's user: chown watchtower-collector: {directory}"
        ) from error


def _make_directory(directory: Path, like: Path) -> None:
    if directory.exists():
        return
    status = like.stat()
    directory.mkdir(mode=0o700)
    if os.geteuid() == 0:
        # Whose the parent is may have put a link there since.
        os.chown(directory, status.st_uid, status.st_gid, follow_symlinks=False)


def _back_up(
    database: Path, directory: Path, keep: int, progress: Callable[[int, int], None]
) -> Backup:
    with open_backup_directory(directory) as place, using_database(database, lambda: None):
        place.remove_unfinished()
        path = place.new_name()
        unfinished = path.with_name(path.name + ".part")
        try:
            _copy(database, unfinished, progress)
            contents = check_database(unfinished)
            place.publish(unfinished, path)
        finally:
            place.remove_unfinished()
        removed = place.remove_old(keep, path)
        return Backup(path, path.stat().st_size, contents, tuple(removed))


def _copy(database: Path, unfinished: Path, progress: Callable[[int, int], None]) -> None:
    # mode=rw: never make an empty database where there is none.
    uri = f"{database.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as source:
        # One read transaction around all steps. Without it SQLite begins the copy again each time
        # another process commits, so beside a busy collector it never ends. With it, the copy is
        # the database of this moment. In WAL mode this stops no writer; the WAL, which cannot be
        # written back past our snapshot, grows by what is stored meanwhile, and shrinks after.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        (pages,) = source.execute("PRAGMA page_count").fetchone()
        (page_size,) = source.execute("PRAGMA page_size").fetchone()
        _see_room(unfinished.parent, pages * page_size)
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(unfinished, isolation_level=None)) as target:
            # A copy that breaks off is thrown away: it needs no journal, and one fsync at its end.
            target.execute("PRAGMA journal_mode = OFF")
            target.execute("PRAGMA synchronous = OFF")
            source.backup(
                target,
                pages=_STEP_PAGES,
                progress=lambda _status, left, total: progress(total - left, total),
            )
            # The copy took over that it is a WAL database. As one of the other kind it is a single
            # file, and can be read where nothing can be written.
            target.execute("PRAGMA journal_mode = DELETE")


def _see_room(directory: Path, needed: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < needed + _SPARE_BYTES:
        raise BackupError(
            f"not enough room in {directory}: the backup needs {needed / 1e6:.1f} MB, "
            f"{free / 1e6:.1f} MB are free. Keep fewer backups there, or back up into a directory "
            "on a larger disk"
        )
