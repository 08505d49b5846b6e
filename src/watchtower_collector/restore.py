"""Restore: put a backup in the place of the database, in one step that either happens or not.

What makes it whole at every moment: the restored database is made ready under another name, the
present one is folded into a single file and given a second name, and one rename(2) replaces it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from watchtower_collector.acting_as import acting_as_owner
from watchtower_collector.carry_over import carry_over
from watchtower_collector.database_check import CheckError, Contents, check_database
from watchtower_collector.database_lock import in_use, replacing_database
from watchtower_collector.event import event_row, parse_event
from watchtower_collector.keeping_errors import NewerEventsError, RestoreError
from watchtower_collector.store import StoreError
from watchtower_collector.store.restore_note import note_restore
from watchtower_collector.store.sqlite import SQLiteStore
from watchtower_collector.timestamps import format_rfc3339, now_us

if TYPE_CHECKING:
    from pathlib import Path

    from watchtower_collector.loss import Lost

_SIDECARS = ("-journal", "-wal", "-shm")  # what SQLite keeps beside a database
_SPARE_BYTES = 16 << 20  # a migration and the rows that are taken over
# What says that the file is bad; anything else (disk full, not permitted) says that we could not.
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR}


@dataclass(frozen=True, slots=True)
class Restored:
    """The backup is in place."""

    contents: Contents
    """What the backup holds."""
    set_aside: Path | None
    """Where the database is that was in place before; ``None`` when there was none."""
    lost: Lost | None
    """What was acknowledged and is not in the restored database."""
    carried_over: bool
    """Whether ids, tokens and audit go on from the database before. If not, it was damaged, gone
    or another collector's: ids go on far above, and a token revoked since the backup is valid."""


def restore(file: Path, database: Path, *, lose_newer: bool = False) -> Restored:
    """Replace ``database`` by the backup ``file``, which stays as it is.

    Killed at any moment, and after a loss of power, either the database as it was or the restored
    one is in place, and the call can be repeated. Only a present database too damaged to be opened
    may be found without its WAL then; both are kept side by side under the name it is set aside.

    Raises:
        DatabaseInUseError: the collector runs.
        NewerEventsError: events would be lost, or may be, as the present database can be read
            only in part, and ``lose_newer`` does not allow it.
        RestoreError: the backup is no good, or something cannot be read or written.
    """
    try:
        # Looked at and opened with the caller's rights; what follows needs fewer.
        _refuse_half_a_database(file)
        with (
            file.open("rb") as backup,
            acting_as_owner(database.parent),
            replacing_database(database),
        ):
            return _restore(file, backup, database, lose_newer=lose_newer)
    except CheckError as error:
        raise RestoreError(f"{error}. Nothing was changed; choose another backup") from error
    except (sqlite3.Error, StoreError) as error:
        raise RestoreError(f"cannot restore {file} to {database}: {error}") from error
    except OSError as error:
        raise RestoreError(
            f"cannot restore {file} to {database}: {error.filename or ''} {error.strerror}"
        ) from error


def _restore(file: Path, backup: BinaryIO, database: Path, *, lose_newer: bool) -> Restored:
    settled = database.exists() and _settle(database)
    copy = database.with_name(database.name + ".restoring")
    try:
        _copy(backup, copy)
        _settle(copy)
        contents = check_database(copy, called=file)
        carried = carry_over(copy, contents, database if settled else None)
        if carried.at_stake is not None and not lose_newer:
            raise NewerEventsError(carried.at_stake)
        if carried.lost is not None:
            _note_loss(copy, carried.lost)
        _sync(copy)
        set_aside = _replace(database, copy)
    finally:
        _remove(copy)
    return Restored(contents, set_aside, carried.lost, carried.complete)


def _note_loss(copy: Path, lost: Lost) -> None:
    """Store an event that says what is missing, and a note by which agents send it again.

    Whoever asks later must not take it for quiet.
    """
    event = {
        "type": "store_restored",
        "timestamp": format_rfc3339(now_us()),
        "hostname": os.uname().nodename,
        "gap_since": format_rfc3339(lost.since),
        "gap_until": format_rfc3339(lost.until),
        "lost_events": lost.events,
    }
    with closing(SQLiteStore(copy)) as store:
        store.append([event_row(parse_event(event), now_us())])
        store.write(lambda connection: note_restore(connection, lost.happened_since))
    _settle(copy)


def _settle(database: Path) -> bool:
    """Write the WAL back, so that the database is a single file; return whether it can be opened.

    SQLite does this only for a process that is alone with the database: so this also finds those
    that do not take our lock, a sqlite3 shell or a collector of an earlier version.

    Raises:
        DatabaseInUseError: there is one.
    """
    uri = f"{database.absolute().as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=0)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.DatabaseError as error:
        code = error.sqlite_errorcode & 0xFF
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise in_use(database) from error
        if code in _DAMAGED:
            return False
        raise
    return True


def _refuse_half_a_database(file: Path) -> None:
    for suffix in _SIDECARS:
        beside = file.with_name(file.name + suffix)
        if suffix != "-shm" and beside.exists() and beside.stat().st_size:
            raise RestoreError(
                f"{file} is not a backup but a database at work: {beside.name} holds a part of it"
            )


def _copy(backup: BinaryIO, copy: Path) -> None:
    _remove(copy)  # what a killed run left
    needed, free = os.fstat(backup.fileno()).st_size, shutil.disk_usage(copy.parent).free
    if free < needed + _SPARE_BYTES:
        raise RestoreError(
            f"not enough room in {copy.parent}: the restored database needs {needed / 1e6:.1f} MB "
            f"beside the present one, {free / 1e6:.1f} MB are free. Move something away, such as "
            "a database that an earlier restore set aside (*.before-restore-*)"
        )
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(copy, flags, 0o600), "wb") as target:
        shutil.copyfileobj(backup, target, 1 << 20)


def _replace(database: Path, copy: Path) -> Path | None:
    """Put the copy in the database's place, and return where that one is set aside."""
    set_aside = _aside_name(database)
    existed = database.exists()
    if existed and not set_aside.exists():
        # A second name, not a move: until the rename below the database is in its place.
        os.link(database, set_aside)
    # Left by a damaged database only. They must be gone before: SQLite would play an old WAL back
    # into the new database.
    for suffix in _SIDECARS:
        sidecar = database.with_name(database.name + suffix)
        if sidecar.exists():
            sidecar.rename(set_aside.with_name(set_aside.name + suffix))
    _sync(database.parent)
    copy.rename(database)
    _sync(database.parent)
    return set_aside if existed else None


def _aside_name(database: Path) -> Path:
    # A run that was killed may have given the second name already.
    stem = f"{database.name}.before-restore-"
    for earlier in database.parent.iterdir():
        if earlier.name.startswith(stem) and database.exists() and earlier.samefile(database):
            return earlier
    while True:
        path = database.with_name(stem + time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
        if not path.exists():
            return path
        time.sleep(0.05)  # set aside in this very second


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(copy: Path) -> None:
    for suffix in ("", *_SIDECARS):
        copy.with_name(copy.name + suffix).unlink(missing_ok=True)
