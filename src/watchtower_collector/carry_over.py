"""What a restored database must take over from the one that it replaces.

A restore turns the clock back for events, which is what was asked for. It must not for five other
things: ids, which are never given twice; tokens, of which one that was revoked stays revoked; the
audit, which tells who asked what; what is known of each host; and what earlier restores have lost,
of which not every agent may have heard yet.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from watchtower_collector.loss import REPORTS, Lost, missing_events, unknown_loss
from watchtower_collector.store.migrations import migrate
from watchtower_collector.store.restore_note import HEARD_OF_BY_ALL
from watchtower_collector.timestamps import now_us

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from watchtower_collector.database_check import Contents

# More ids than were ever given between two backups: 30 years of a thousand events a second.
UNKNOWN_IDS = 1_000_000_000_000
# What makes a row the same row in both databases.
_MERGED = {"tokens": ("digest", "hostname"), "audit": ("id", "at")}


@dataclass(frozen=True, slots=True)
class CarriedOver:
    """What was found out about the present database."""

    at_stake: Lost | None
    """Its events that the restored one has not, or may not have, where they cannot be counted."""
    lost: Lost | None
    """What is missing and, where it was not read completely, what may have been."""
    complete: bool
    """Whether it could be read, and goes on from the backup: all that had to be was taken over."""


def carry_over(copy: Path, contents: Contents, present: Path | None) -> CarriedOver:
    """Bring ``copy``, which holds ``contents``, to the newest schema, and merge ``present`` in.

    ``present`` is only read; ``None`` stands for one that cannot be. ``copy`` has no other user;
    whoever breaks this off must throw it away.

    Raises:
        StoreUnusableError: the schema of ``copy`` is newer than this program.
        sqlite3.Error: ``copy`` cannot be written.
    """
    now = now_us()
    with _opened(copy, None) as connection:
        migrate(connection)
        lost = unknown_loss(connection, contents, now)
    # Of one that cannot be opened nothing could be kept.
    missing, counted, complete = None, True, False
    if present is not None:
        missing, counted, complete = _merge(copy, contents, present, now)
    if complete:
        return CarriedOver(missing, missing, complete=True)
    with _opened(copy, None) as connection:
        _skip_ids(connection)
    if missing is not None:
        lost = _both(lost, missing)
    return CarriedOver(missing if counted else lost, lost, complete=False)


def _both(unknown: Lost, missing: Lost) -> Lost:
    return replace(
        unknown,
        since=min(unknown.since, missing.since),
        until=max(unknown.until, missing.until),
        happened_since=min(unknown.happened_since, missing.happened_since),
    )


def _merge(
    copy: Path, contents: Contents, present: Path, now: int
) -> tuple[Lost | None, bool, bool]:
    """Return what is missing in the copy, whether that is known, whether all was taken over."""
    failures: list[sqlite3.DatabaseError] = []
    missing, goes_on = None, False
    with _step(copy, present, failures) as connection:
        missing = missing_events(connection, now)
    counted = not failures
    with _step(copy, present, failures) as connection:
        goes_on = _goes_on(connection, contents)
    with _step(copy, present, failures) as connection:
        _raise_ids(connection)
    with _step(copy, present, failures) as connection:
        _take_reports(connection)
    with _step(copy, present, failures) as connection:
        _merge_note(connection)
    for table, key in _MERGED.items():
        with _step(copy, present, failures) as connection:
            revoked = _revoked_tokens(connection)
            _merge_table(connection, table, key)
            _keep_revoked(connection, revoked)
    with _step(copy, present, failures) as connection:
        _merge_hosts(connection)
    return missing, counted, goes_on and not failures


@contextmanager
def _step(
    copy: Path, present: Path, failures: list[sqlite3.DatabaseError]
) -> Iterator[sqlite3.Connection]:
    """Take one step wholly or not at all: of a damaged database, what can be read is taken.

    Each has a connection of its own: one that met with damage refuses sound tables, too.
    """
    try:
        with _opened(copy, present) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise  # that is the copy's disk, no damage
        failures.append(error)


@contextmanager
def _opened(copy: Path, present: Path | None) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(copy, uri=True, isolation_level=None)) as connection:
        # A journal only to take a step back: nobody opens a copy that is half done.
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")
        if present is not None:
            uri = f"{present.absolute().as_uri()}?mode=ro"
            connection.execute("ATTACH ? AS present", (uri,))
        yield connection


def _goes_on(connection: sqlite3.Connection, contents: Contents) -> bool:
    """Return whether the backup was made of this database, or of one restored from it."""
    if contents.newest_id is None:
        return True
    # Any event of both, not the backup's newest: that may be deleted since, as too old.
    (shared,) = connection.execute(
        """
        SELECT EXISTS (
            SELECT 1 FROM present.events AS p JOIN main.events AS b
            ON b.id = p.id AND b.received_at = p.received_at
        )
        """
    ).fetchone()
    (last,) = connection.execute(
        "SELECT max(seq) FROM present.sqlite_sequence WHERE name = 'events'"
    ).fetchone()
    return bool(shared) and last >= contents.newest_id


def _raise_ids(connection: sqlite3.Connection) -> None:
    given = connection.execute("SELECT name, seq FROM present.sqlite_sequence").fetchall()
    highest = dict(given)
    for table in _numbered_tables(connection):
        _set_last_id(connection, table, highest.get(table, 0))


def _skip_ids(connection: sqlite3.Connection) -> None:
    for table in _numbered_tables(connection):
        _set_last_id(connection, table, _last_id(connection, table) + UNKNOWN_IDS)


def _numbered_tables(connection: sqlite3.Connection) -> list[str]:
    # SQLite keeps the words of CREATE TABLE as they were written; those are ours.
    rows = connection.execute(
        "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"
    )
    return [name for (name,) in rows]


def _last_id(connection: sqlite3.Connection, table: str) -> int:
    row = connection.execute(
        "SELECT seq FROM main.sqlite_sequence WHERE name = ?", (table,)
    ).fetchone()
    return int(row[0]) if row else 0


def _set_last_id(connection: sqlite3.Connection, table: str, last_id: int) -> None:
    last_id = max(last_id, _last_id(connection, table))
    connection.execute("DELETE FROM main.sqlite_sequence WHERE name = ?", (table,))
    connection.execute("INSERT INTO main.sqlite_sequence VALUES (?, ?)", (table, last_id))


def _take_reports(connection: sqlite3.Connection) -> None:
    """Keep what earlier restores have said of themselves: nobody else can say it again."""
    own = set(_columns(connection, "main", "events"))
    names = [c for c in _columns(connection, "present", "events") if c in own and c != "id"]
    free = "CASE WHEN id IN (SELECT id FROM main.events) THEN NULL ELSE id END"
    connection.execute(
        f"INSERT INTO main.events (id, {', '.join(names)}) SELECT {free}, {', '.join(names)} "  # noqa: S608  # names of our own tables
        f"FROM present.events AS p WHERE {REPORTS} AND NOT EXISTS (SELECT 1 FROM main.events "
        "AS b WHERE b.id = p.id AND b.received_at = p.received_at)"
    )


def _merge_note(connection: sqlite3.Connection) -> None:
    """Keep the note of the last restore, and how far back those before it reached."""
    if "restored_at" not in _columns(connection, "present", "store_state"):
        return  # it is older than the note
    notes = connection.execute(
        "SELECT restored_at, restore_id, missing_since FROM present.store_state "
        "WHERE restore_id IS NOT NULL UNION "
        "SELECT restored_at, restore_id, missing_since FROM main.store_state "
        "WHERE restore_id IS NOT NULL ORDER BY restored_at DESC"
    ).fetchall()
    if notes:
        restored_at, id_, _ = notes[0]
        since = min(since for at, _, since in notes if restored_at - at < HEARD_OF_BY_ALL)
        connection.execute(
            "UPDATE main.store_state SET restored_at = ?, restore_id = ?, missing_since = ?",
            (restored_at, id_, since),
        )


def _columns(connection: sqlite3.Connection, schema: str, table: str) -> list[str]:
    rows = connection.execute("SELECT name FROM pragma_table_info(?, ?)", (table, schema))
    return [name for (name,) in rows]


def _merge_table(connection: sqlite3.Connection, table: str, key: tuple[str, ...]) -> None:
    """Put every row of the present table into the restored one, where it wins.

    A row keeps its id unless the backup gave that id to another one: then they come from two
    collectors, and it gets a new id.
    """
    own = set(_columns(connection, "main", table))
    columns = [name for name in _columns(connection, "present", table) if name in own]
    if not columns:
        return  # it is older than this table
    same = " AND ".join(f"p.{name} IS main.{table}.{name}" for name in key)
    connection.execute(
        f"DELETE FROM main.{table} WHERE EXISTS (SELECT 1 FROM present.{table} AS p WHERE {same})"  # noqa: S608  # names of our own tables
    )
    free = f"CASE WHEN p.id IN (SELECT id FROM main.{table}) THEN NULL ELSE p.id END"  # noqa: S608  # names of our own tables
    others = [name for name in columns if name != "id"]
    connection.execute(
        f"INSERT INTO main.{table} (id, {', '.join(others)}) "  # noqa: S608  # names of our own tables
        f"SELECT {free}, {', '.join('p.' + name for name in others)} FROM present.{table} AS p"
    )


def _revoked_tokens(connection: sqlite3.Connection) -> list[tuple[bytes, str, int]]:
    return connection.execute(
        "SELECT digest, hostname, revoked_at FROM main.tokens WHERE revoked_at IS NOT NULL"
    ).fetchall()


def _keep_revoked(connection: sqlite3.Connection, revoked: list[tuple[bytes, str, int]]) -> None:
    """Revoke what the backup knew as revoked: a collector installed anew did not know of it."""
    connection.executemany(
        "UPDATE main.tokens SET revoked_at = coalesce(min(revoked_at, ?3), ?3) "
        "WHERE digest = ?1 AND hostname = ?2",
        revoked,
    )


def _merge_hosts(connection: sqlite3.Connection) -> None:
    """Keep of each host what was learnt last: one that fell silent must not become unknown."""
    own = set(_columns(connection, "main", "hosts"))
    columns = ", ".join(c for c in _columns(connection, "present", "hosts") if c in own)
    if not columns:
        return  # it is older than this table
    connection.execute(
        "DELETE FROM main.hosts WHERE EXISTS (SELECT 1 FROM present.hosts AS p "
        "WHERE p.hostname = main.hosts.hostname AND p.last_seen > main.hosts.last_seen)"
    )
    connection.execute(
        f"INSERT OR IGNORE INTO main.hosts ({columns}) SELECT {columns} FROM present.hosts"  # noqa: S608  # likewise
    )
