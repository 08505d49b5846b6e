"""What is SQLite's own: files, pragmas, and its errors."""

import sqlite3
import stat
import threading
import time

import pytest

from watchtower_collector.store import (
    Stored,
    StoreUnavailableError,
    StoreUnusableError,
    sqlite_steps,
)
from watchtower_collector.store.query import EventQuery, page
from watchtower_collector.store.sqlite import SQLiteStore
from watchtower_collector.store.sqlite_steps import driver


def read_page(store, query, after, limit):
    return store.read(lambda connection: page(connection, query, after, limit))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "watchtower.db"


def test_the_files_are_for_the_collector_only(store, path, make_row):
    store.append([make_row()])
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes) == {"watchtower.db", "watchtower.db-wal", "watchtower.db-shm"}
    assert set(modes.values()) == {0o600}


def test_a_file_that_others_could_read_is_closed_to_them(path):
    path.touch(mode=0o644)
    SQLiteStore(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_commits_are_on_disk(store):
    connection = store._write_connection()
    assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
    connection.rollback()


def test_a_reader_cannot_write(store):
    with (
        store._read_engine.connect() as connection,
        pytest.raises(Exception, match="readonly database"),
    ):
        connection.exec_driver_sql("DELETE FROM events")


def test_the_deadline_of_one_read_is_not_that_of_the_next(path, monkeypatch):
    """On one connection; SQLite counts the steps of BEGIN from one read to the next."""
    monkeypatch.setattr(sqlite_steps, "_CLOCK_STEPS", 1)
    store = SQLiteStore(path, read_deadline=30)
    used = [store.read(driver)]
    now = time.monotonic
    monkeypatch.setattr("time.monotonic", lambda: now() + 31)
    used.append(store.read(driver))
    assert used[0] is used[1]
    store.close()


def test_a_reader_does_not_hold_up_the_writer(store, make_row):
    store.append([make_row()])

    def reading(connection):
        before = page(connection, EventQuery(), None, 10)
        assert isinstance(store.append([make_row()])[0], Stored)
        assert page(connection, EventQuery(), None, 10) == before, "a read is of one moment"

    store.read(reading)


def test_what_was_stored_is_there_after_opening_it_again(store, path, make_row):
    (outcome,) = store.append([make_row()])
    store.close()
    again = SQLiteStore(path)
    assert [row["id"] for row in read_page(again, EventQuery(), None, 10)] == [outcome.id]
    again.close()


def test_a_full_disk_stores_nothing_and_passes(store, make_row):
    connection = store._write_connection()
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
    connection.rollback()
    rows = [make_row(raw_message="x" * 4_000) for _ in range(50)]
    with pytest.raises(StoreUnavailableError, match="free some space") as caught:
        store.append(rows)
    assert caught.value.reason == "disk_full"
    assert read_page(store, EventQuery(), None, 10) == []
    # The connection was replaced, and with it the limit.
    assert all(isinstance(outcome, Stored) for outcome in store.append(rows))


def test_a_lock_of_another_program_is_named(store, path, make_row, monkeypatch):
    monkeypatch.setattr("watchtower_collector.store.sqlite._BUSY_MS", 10)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError) as caught:
        store.append([make_row()])
    assert caught.value.reason == "locked"
    other.execute("ROLLBACK")
    other.close()
    assert isinstance(store.append([make_row()])[0], Stored)


def test_a_short_lock_is_waited_for(store, path, make_row):
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, lambda: other.execute("ROLLBACK"))
    release.start()
    assert isinstance(store.append([make_row()])[0], Stored)
    release.join()
    other.close()


def test_a_query_that_takes_too_long_is_ended(path, make_row):
    store = SQLiteStore(path, read_deadline=0.0)
    store.append([make_row(user="x" * 500) for _ in range(6_000)])
    with pytest.raises(StoreUnavailableError, match="narrow it") as caught:
        read_page(store, EventQuery(text="nowhere"), None, 10)
    assert caught.value.reason == "too_slow"
    assert len(read_page(store, EventQuery(), None, 10)) == 10, "a short query is not concerned"
    store.close()


def test_damage_is_named(store, path, make_row):
    store.append([make_row()])
    store.close()
    path.write_bytes(b"not a database" * 1_000)
    with pytest.raises(StoreUnavailableError, match="not a SQLite database") as caught:
        SQLiteStore(path)
    assert caught.value.reason == "corrupt"


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(StoreUnusableError, match="WATCHTOWER_DB_PATH"):
        SQLiteStore(tmp_path / "missing" / "watchtower.db")


def test_a_directory_in_its_place_is_named(tmp_path):
    with pytest.raises(StoreUnusableError, match="Is a directory"):
        SQLiteStore(tmp_path)


def test_closing_leaves_one_file(store, path, make_row):
    store.append([make_row()])
    store.close()
    assert list(path.parent.iterdir()) == [path]
