"""The write-ahead log stays bounded, whoever reads meanwhile."""

import sqlite3
import threading

import pytest

from watchtower_collector.store import sqlite as sqlite_module
from watchtower_collector.store import sqlite_upkeep
from watchtower_collector.store.sqlite import SQLiteStore
from watchtower_collector.store.sqlite_upkeep import wal_bytes

LIMIT = 1 << 20


@pytest.fixture
def path(tmp_path):
    return tmp_path / "watchtower.db"


@pytest.fixture
def store(path, monkeypatch):
    """A store whose log is bounded at 1 MiB instead of 64."""
    monkeypatch.setattr(sqlite_upkeep, "WAL_BYTES", LIMIT)
    monkeypatch.setattr(sqlite_module, "WAL_BYTES", LIMIT)
    store = SQLiteStore(path)
    yield store
    store.close()


@pytest.fixture
def reader(path):
    """Another program that reads the database."""
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


def write_much(store, make_row, bytes_=4 * LIMIT):
    for _ in range(bytes_ // 400_000):
        store.append([make_row(raw_message="x" * 4_000) for _ in range(100)])


def read(connection):
    return connection.execute("SELECT count(*) FROM events").fetchone()[0]


def test_a_stuck_reader_holds_up_nothing_and_the_log_shrinks_when_it_goes(
    store, reader, path, make_row, caplog
):
    store.append([make_row()])
    reader.execute("BEGIN")
    before = read(reader)
    write_much(store, make_row)
    assert wal_bytes(path) > LIMIT
    store.tidy()
    assert "another program has been reading" in caplog.text
    assert str(path) in caplog.text
    assert read(reader) == before, "it is left alone"
    write_much(store, make_row, LIMIT)
    reader.execute("COMMIT")
    store.tidy()
    assert wal_bytes(path) == 0
    write_much(store, make_row)
    assert wal_bytes(path) < 6 * LIMIT, "SQLite begins it anew by itself, when nobody reads"


def test_readers_that_follow_one_another_do_not_keep_it_growing(store, path, make_row):
    """Never a moment without one: SQLite by itself might never begin the log anew."""
    done = threading.Event()
    relay = [threading.Semaphore(1), threading.Semaphore(0)]

    def follow(turn):
        connection = sqlite3.connect(path, isolation_level=None)
        while relay[turn].acquire() and not done.is_set():
            connection.execute("BEGIN")
            read(connection)
            relay[1 - turn].release()  # the other begins before this one ends
            done.wait(0.02)
            connection.execute("COMMIT")
        connection.close()
        relay[1 - turn].release()

    store.append([make_row()])
    readers = [threading.Thread(target=follow, args=(turn,)) for turn in (0, 1)]
    for reader in readers:
        reader.start()
    try:
        largest = 0
        for _ in range(8):
            write_much(store, make_row, LIMIT)
            largest = max(largest, wal_bytes(path))
            store.tidy()
        assert LIMIT < largest < 4 * LIMIT
    finally:
        done.set()
        for reader in readers:
            reader.join()


def test_a_small_log_is_left_to_sqlite(store, path, make_row):
    store.append([make_row()])
    store.tidy()
    size = wal_bytes(path)
    store.tidy()
    assert wal_bytes(path) == size > 0


def test_without_a_log_there_is_nothing_to_bound(tmp_path):
    assert wal_bytes(tmp_path / "none.db") == 0


def test_statistics_are_kept_for_the_planner(store, reader, make_row):
    store.append([make_row(user=f"user{n}") for n in range(50)])
    store.tidy()
    known = reader.execute("SELECT idx FROM sqlite_stat1 WHERE tbl = 'events'").fetchall()
    assert ("events_user",) in known
    reader.execute("DELETE FROM sqlite_stat1")
    store.tidy()
    assert reader.execute("SELECT count(*) FROM sqlite_stat1").fetchone() == (0,), "once an hour"
