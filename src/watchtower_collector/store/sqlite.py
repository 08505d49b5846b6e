"""The store on SQLite: one connection that writes, a few that read."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower_collector.logs import Throttle
from watchtower_collector.store import (
    READERS,
    Duplicate,
    Outcome,
    Refused,
    Row,
    Stored,
    StoreUnusableError,
    T,
)
from watchtower_collector.store.event_identity import COMPARED, essence, essence_of, id_beside
from watchtower_collector.store.hosts import note_hosts
from watchtower_collector.store.many_rows import MAX_ROWS, ManyRows
from watchtower_collector.store.migrations import migrate
from watchtower_collector.store.schema import EVENTS, STORE_STATE
from watchtower_collector.store.sqlite_errors import cannot_open, explained
from watchtower_collector.store.sqlite_indexes import IndexedByCompiler
from watchtower_collector.store.sqlite_steps import driver, end_at
from watchtower_collector.store.sqlite_upkeep import (
    WAL_BYTES,
    bound_wal,
    refresh_statistics,
    used_bytes,
)
from watchtower_collector.timestamps import now_us

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from watchtower_collector.store.event_identity import Essence

READ_DEADLINE_SECONDS = 30.0
_BUSY_MS = 5_000
_STATISTICS_SECONDS = 3_600.0
_PREPARED = 2 * MAX_ROWS + 64  # statements kept: events and hosts in any number, and the others
_LOOKUP = 500  # event ids in one IN list
# How often an id beside a taken one is looked for. The first is free, unless somebody who knew of
# the event has taken that on purpose as well.
_IDS_BESIDE = 3
_CONTESTED_LINE_SECONDS = 10.0
_INSERT = insert(EVENTS).on_conflict_do_nothing(index_elements=[EVENTS.c.event_id])
_INSERT_MANY = ManyRows(_INSERT)
_LAST_ID = sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'events'")
# What the database says of one row, never of itself: a value too large, of the wrong kind, …
_ROW_ERRORS = (sa.exc.IntegrityError, sa.exc.DataError, OverflowError, UnicodeError)

_log = logging.getLogger(__name__)


def _prepare_file(path: Path) -> None:
    # Made before SQLite does it, for the mode; -wal and -shm take theirs from this file.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def _writer_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by us, see _begin_writing
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    # The indexes' pages are hit at random: fewer checkpoints (every 48 MiB) write each of them
    # less often, and a larger cache (16 MiB) reads them less often.
    connection.execute("PRAGMA wal_autocheckpoint = 12288")
    connection.execute("PRAGMA cache_size = -16384")


def _memory_pragma(connection: sqlite3.Connection, _record: object) -> None:
    # A statement of many rows notes how to undo it half way; in a file that takes as long as the
    # insert. Not while migrating: an index of millions of events is sorted there, too.
    connection.execute("PRAGMA temp_store = MEMORY")


def _begin_writing(connection: sa.Connection) -> None:
    # IMMEDIATE: wait for the write lock now; a lock lost half way through could not be waited for.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_reading(connection: sa.Connection) -> None:
    # Until the end of the read, all is of one moment. The deadline of the read before is over.
    driver(connection).set_progress_handler(None, 0)
    driver(connection).execute("BEGIN")


def _reader_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    connection.execute("PRAGMA query_only = ON")


class SQLiteStore:
    """An :class:`~watchtower_collector.store.EventStore` in one file."""

    def __init__(self, path: Path, read_deadline: float = READ_DEADLINE_SECONDS) -> None:
        """Open the database at ``path``, made if need be, and bring its schema up to date.

        Raises:
            StoreUnusableError: a person must act: wrong path, wrong file, newer schema.
            StoreUnavailableError: disk full, locked, …
        """
        self._path = path
        self._read_deadline = read_deadline
        try:
            _prepare_file(path)
        except OSError as error:
            raise cannot_open(path, error) from error
        with explained(path):
            try:
                connection = sqlite3.connect(path, timeout=_BUSY_MS / 1_000, isolation_level=None)
                try:
                    _writer_pragmas(connection, None)
                    migrate(connection)
                finally:
                    connection.close()
            except StoreUnusableError as error:
                raise StoreUnusableError(f"cannot use the database {path}: {error}") from None
        url = sa.URL.create("sqlite", database=str(path))
        prepared = {"cached_statements": _PREPARED}
        self._write_engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=prepared)
        sa.event.listen(self._write_engine, "connect", _writer_pragmas)
        sa.event.listen(self._write_engine, "connect", _memory_pragma)
        sa.event.listen(self._write_engine, "begin", _begin_writing)
        self._read_engine = sa.create_engine(url, pool_size=READERS, max_overflow=0)
        self._read_engine.dialect.statement_compiler = IndexedByCompiler
        sa.event.listen(self._read_engine, "connect", _reader_pragmas)
        sa.event.listen(self._read_engine, "begin", _begin_reading)
        self._writer: sa.Connection | None = None
        self._statistics_due = 0.0
        self._contested = Throttle(_CONTESTED_LINE_SECONDS)

    def append(self, rows: Sequence[Row]) -> list[Outcome]:
        """See :class:`~watchtower_collector.store.EventStore`."""
        with explained(self._path):
            try:
                try:
                    return self._append_together(rows)
                except _ROW_ERRORS:
                    return self._append_apart(rows)
            except BaseException:
                self._drop_writer()
                raise

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """See :class:`~watchtower_collector.store.EventStore`."""
        with explained(self._path):
            try:
                connection = self._write_connection()
                with connection.begin():
                    return work(connection)
            except BaseException:
                self._drop_writer()
                raise

    def probe(self) -> None:
        """See :class:`~watchtower_collector.store.EventStore`."""
        self.write(lambda c: c.execute(sa.update(STORE_STATE).values(probed_at=now_us())))

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """See :class:`~watchtower_collector.store.EventStore`."""
        deadline = time.monotonic() + self._read_deadline
        with explained(self._path), self._read_engine.begin() as connection:
            end_at(connection, deadline)
            return work(connection)

    def used_bytes(self, connection: sa.Connection) -> int:
        """See :class:`~watchtower_collector.store.EventStore`."""
        return used_bytes(connection)

    def tidy(self) -> None:
        """See :class:`~watchtower_collector.store.EventStore`."""
        with explained(self._path):
            bound_wal(self._path)
            if time.monotonic() >= self._statistics_due:
                self._statistics_due = time.monotonic() + _STATISTICS_SECONDS
                refresh_statistics(self._path)

    def last_id(self, connection: sa.Connection) -> int:
        """See :class:`~watchtower_collector.store.EventStore`."""
        last: int | None = connection.execute(_LAST_ID).scalar()
        return last or 0

    def close(self) -> None:
        """See :class:`~watchtower_collector.store.EventStore`."""
        self._drop_writer()
        self._read_engine.dispose()
        self._write_engine.dispose()

    def _write_connection(self) -> sa.Connection:
        if self._writer is None:
            self._writer = self._write_engine.connect()
        return self._writer

    def _drop_writer(self) -> None:
        # After an error a connection may stand half way in a transaction: the next is a fresh one.
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.invalidate()
            writer.close()

    def _append_together(self, rows: Sequence[Row]) -> list[Outcome]:
        connection = self._write_connection()
        with connection.begin():
            next_id = self.last_id(connection) + 1
            numbered = [{**row, "id": next_id + i} for i, row in enumerate(rows)]
            if _INSERT_MANY.execute(connection, numbered) == len(rows):
                note_hosts(connection, rows)
                return [Stored(row["id"]) for row in numbered]
            outcomes = self._settle(connection, numbered)
            note_hosts(connection, _newly_stored(rows, outcomes))
        return outcomes

    def _append_apart(self, rows: Sequence[Row]) -> list[Outcome]:
        """One by one in one transaction, to find the row that took the others down."""
        connection = self._write_connection()
        outcomes: list[Outcome] = []
        with connection.begin():
            for row in rows:
                numbered = {**row, "id": self.last_id(connection) + 1}
                try:
                    with connection.begin_nested():
                        connection.execute(_INSERT, numbered)
                        outcomes += self._settle(connection, [numbered])
                except _ROW_ERRORS as error:
                    outcomes.append(Refused(f"the database refuses it: {_driver_words(error)}"))
            note_hosts(connection, _newly_stored(rows, outcomes))
        return outcomes

    def _settle(self, connection: sa.Connection, rows: Sequence[Row]) -> list[Outcome]:
        """Return the outcomes of rows, some of which were kept out because their id is taken.

        Taken by the same event: it is a duplicate. Taken by another one: that one must not hide
        it, so it is stored now, under an id beside the taken one.
        """
        outcomes: dict[int, Outcome] = {}
        unsettled, tries = list(rows), 0
        while unsettled:
            beside: list[Row] = []
            for start in range(0, len(unsettled), _LOOKUP):
                some = unsettled[start : start + _LOOKUP]
                stored = _stored_under(connection, {row["event_id"] for row in some})
                for row in some:
                    own: int = row["id"]
                    first, what = stored.get(row["event_id"], (own, ()))
                    if first == own:
                        outcomes[own] = Stored(own)
                    elif what == essence_of(row):
                        outcomes[own] = Duplicate(first)
                    else:
                        self._report_contested(row, what[0])
                        free = id_beside(row) if tries < _IDS_BESIDE else None
                        beside.append({**row, "event_id": free})
            if beside:
                _INSERT_MANY.execute(connection, beside)
            unsettled, tries = beside, tries + 1
        return [outcomes[row["id"]] for row in rows]

    def _report_contested(self, row: Row, other_host: str) -> None:
        held = self._contested.admit()
        if held is not None:
            _log.warning(
                "%s sends an event whose event_id, %s, is that of another one, of %s; it is kept "
                "under an id of its own. Somebody with an agent's token makes up ids; or, when "
                "both are one host, an agent of another version read the journal again (%d times "
                "more since the last such line)",
                ascii(row["hostname"]),
                row["event_id"].hex(),
                ascii(other_host),
                held,
            )


def _stored_under(
    connection: sa.Connection, event_ids: set[bytes | None]
) -> dict[bytes, tuple[int, Essence]]:
    """Return under which id the events of these ids are stored, and what they are."""
    wanted = event_ids - {None}
    if not wanted:
        return {}
    columns = (EVENTS.c[name] for name in ("event_id", "id", *COMPARED))
    rows = connection.execute(sa.select(*columns).where(EVENTS.c.event_id.in_(wanted)))
    return {event_id: (id_, essence(tuple(what))) for event_id, id_, *what in rows}


def _newly_stored(rows: Sequence[Row], outcomes: Sequence[Outcome]) -> list[Row]:
    return [row for row, what in zip(rows, outcomes, strict=True) if isinstance(what, Stored)]


def _driver_words(error: Exception) -> str:
    return str(error.orig if isinstance(error, sa.exc.DBAPIError) else error)
