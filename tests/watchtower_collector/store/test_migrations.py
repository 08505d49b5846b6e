import os
import sqlite3
import subprocess
import sys

import pytest

from watchtower_collector.store import StoreUnusableError
from watchtower_collector.store.migrations import STEPS, migrate, schema_version
from watchtower_collector.store.schema import METADATA
from watchtower_collector.store.sqlite import SQLiteStore


@pytest.fixture
def path(tmp_path):
    return tmp_path / "watchtower.db"


@pytest.fixture
def database(path):
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


def tables(connection):
    found = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    return {name for (name,) in found if not name.startswith("sqlite_")}


def test_an_empty_database_gets_the_newest_schema(database):
    assert migrate(database) == 0
    assert schema_version(database) == len(STEPS)


def test_a_second_run_changes_nothing(database):
    migrate(database)
    before = database.execute("SELECT * FROM sqlite_schema").fetchall()
    assert migrate(database) == len(STEPS)
    assert database.execute("SELECT * FROM sqlite_schema").fetchall() == before


def test_the_migrations_lead_to_the_declared_schema(database):
    migrate(database)
    assert tables(database) == set(METADATA.tables)
    for table in METADATA.tables.values():
        columns = database.execute(f"PRAGMA table_info({table.name})").fetchall()
        # SQLite says "may be null" of a rowid's own name, which never is
        real = [(name, bool(not_null or key)) for _, name, _, not_null, _, key in columns]
        assert real == [(column.name, not column.nullable) for column in table.columns]
        indexes = {
            (name, bool(unique))
            for _, name, unique, origin, _ in database.execute(f"PRAGMA index_list({table.name})")
            if origin != "pk"
        }
        assert indexes == {(index.name, bool(index.unique)) for index in table.indexes}
        for index in table.indexes:
            real = [name for *_, name in database.execute(f"PRAGMA index_info({index.name})")]
            assert real == [column.name for column in index.columns]


def test_the_tables_are_strict(database):
    migrate(database)
    found = database.execute("SELECT name, strict FROM pragma_table_list WHERE type = 'table'")
    strict = {name: strict for name, strict in found if not name.startswith("sqlite_")}
    assert set(strict) == set(METADATA.tables)
    assert all(strict.values())


def test_a_step_that_fails_leaves_the_step_before(database):
    bad = (*STEPS, ("CREATE TABLE half (a INTEGER) STRICT", "CREATE TABLE half (b) STRICT"))
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        migrate(database, bad)
    assert schema_version(database) == len(STEPS)
    assert "half" not in tables(database)


def test_a_process_that_dies_within_a_step_leaves_the_step_before(database, path, repository):
    migrate(database)
    program = (
        "import os, sqlite3, sys\n"
        "from watchtower_collector.store.migrations import STEPS, migrate\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.create_function('die', 0, lambda: os.kill(os.getpid(), 9))\n"
        "step = ('CREATE TABLE half (a INTEGER) STRICT', 'SELECT die()')\n"
        "migrate(connection, (*STEPS, step))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(repository / "src")}
    ended = subprocess.run(
        [sys.executable, "-c", program, str(path)], env=environment, check=False
    )
    assert ended.returncode == -9
    assert schema_version(database) == len(STEPS)
    assert "half" not in tables(database)
    assert migrate(database, (*STEPS, ("CREATE TABLE whole (a INTEGER) STRICT",))) == len(STEPS)


def test_a_newer_schema_is_refused_and_left_alone(database, path):
    migrate(database)
    database.execute("UPDATE store_state SET schema_version = 99")
    with pytest.raises(StoreUnusableError, match=rf"version 99, .* up to {len(STEPS)}") as caught:
        SQLiteStore(path)
    assert str(path) in str(caught.value)
    assert schema_version(database) == 99


def test_somebody_elses_database_is_refused_and_left_alone(database, path):
    database.execute("CREATE TABLE customers (name TEXT)")
    with pytest.raises(StoreUnusableError, match="not Watchtower's"):
        SQLiteStore(path)
    assert tables(database) == {"customers"}


def test_the_hosts_of_a_database_of_the_first_version_are_known(path, database):
    migrate(database, STEPS[:1])
    rows = [
        ("login", 50, 100, "web-1", "alice", "203.0.113.7", None, None, "eu", None),
        ("login", 40, 110, "web-1", "bob", None, None, None, "eu", None),
        ("login_failed", 60, 120, "web-1", "eve", None, None, None, "us", None),
        ("heartbeat", 55, 130, "web-2", None, None, "0.1", 3, None, '{"clock_offset_seconds": 2}'),
    ]
    database.executemany(
        "INSERT INTO events (type, timestamp, received_at, hostname, user, source_ip, "
        "agent_version, spool_depth, region, extra, flagged, trusted, ambiguous) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 1, 0)",
        rows,
    )
    assert migrate(database) == 1
    database.row_factory = sqlite3.Row
    web_1, web_2 = database.execute("SELECT * FROM hosts ORDER BY hostname").fetchall()
    assert (web_1["first_seen"], web_1["last_seen"]) == (100, 120)
    assert (web_1["last_login"], web_1["last_login_user"]) == (50, "alice")
    assert (web_1["last_heartbeat"], web_1["region"]) == (None, "us")
    assert (web_2["last_heartbeat"], web_2["agent_version"], web_2["spool_depth"]) == (
        130,
        "0.1",
        3,
    )
    assert (web_2["clock_offset_seconds"], web_2["last_login"]) == (2.0, None)
