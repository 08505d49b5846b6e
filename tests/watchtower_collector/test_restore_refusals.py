"""All that must refuse a restore: who uses the database, what is no backup, too little room."""

import os
import sqlite3
import threading
from contextlib import closing

import pytest
from restored_database import at_work, ids, names

from watchtower_collector.database_lock import replacing_database, using_database
from watchtower_collector.keeping_errors import DatabaseInUseError, RestoreError
from watchtower_collector.restore import restore
from watchtower_collector.store.migrations import STEPS

DEADLINE = 60

# Who uses the database


def test_nothing_is_restored_while_the_collector_runs(database, backup, collector):
    collector._environment["WATCHTOWER_DB_PATH"] = str(database)
    collector.start()
    assert collector.events("?limit=1")[0]["id"] == 300
    with pytest.raises(DatabaseInUseError, match=r"stop watchtower-collector\.socket"):
        restore(backup, database)
    assert collector.stop() == 0
    restore(backup, database)


def test_nothing_is_restored_while_somebody_has_the_lock(database, backup):
    with using_database(database, pytest.fail), pytest.raises(DatabaseInUseError):
        restore(backup, database)
    with replacing_database(database), pytest.raises(DatabaseInUseError):
        restore(backup, database)
    restore(backup, database)


def test_who_starts_during_a_restore_waits_for_its_end(database):
    said, began = threading.Event(), threading.Event()

    def use():
        with using_database(database, said.set):
            began.set()

    starting = threading.Thread(target=use)
    with replacing_database(database):
        starting.start()
        assert said.wait(DEADLINE)
        assert not began.is_set()
    starting.join(DEADLINE)
    assert began.is_set()


def test_many_may_use_the_database_at_once(database):
    with using_database(database, pytest.fail), using_database(database, pytest.fail):
        pass


def test_the_lock_follows_no_link(database, tmp_path):
    (database.parent / "watchtower.db.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), using_database(database, pytest.fail):
        pass
    assert not (tmp_path / "elsewhere").exists()


# Which files


def refuse(backup, database, message):
    with pytest.raises(RestoreError, match=message):
        restore(backup, database)
    assert ids(database) == list(range(1, 301))
    assert set(names(database)) - {"watchtower.db.lock"} == {"watchtower.db"}


def test_a_damaged_backup_is_refused(database, backup):
    with backup.open("r+b") as file:
        file.seek(backup.stat().st_size // 2)
        file.write(b"\xff" * 8_192)
    refuse(backup, database, rf"(?s){backup} is damaged: .* Nothing was changed")


def test_a_truncated_backup_is_refused(database, backup):
    os.truncate(backup, backup.stat().st_size // 2)
    refuse(backup, database, rf"{backup} .*Nothing was changed")


def test_a_backup_of_a_newer_watchtower_is_refused(database, backup):
    newer = len(STEPS) + 1
    with closing(sqlite3.connect(backup)) as connection, connection:
        connection.execute("UPDATE store_state SET schema_version = ?", (newer,))
    refuse(backup, database, rf"has a schema of version {newer}, .* knows versions up to")


def test_what_is_no_database_is_refused(database, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("no database " * 1_000)
    refuse(file, database, r"notes\.txt cannot be read as a database")


def test_somebody_elses_database_is_refused(database, tmp_path):
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE other (id INTEGER)")
    refuse(file, database, r"other\.db: it is a SQLite database, but not Watchtower's")


def test_an_empty_file_is_refused(database, tmp_path):
    file = tmp_path / "empty.db"
    file.touch()
    refuse(file, database, "is an empty database")


def test_a_database_at_work_is_no_backup(database, tmp_path, fill):
    other = tmp_path / "other.db"
    fill(other, 1)
    with at_work(other):
        fill(other, 1)
        refuse(other, database, r"is not a backup but a database at work: other\.db-wal")


def test_a_file_that_is_not_there_is_named(database, tmp_path):
    with pytest.raises(RestoreError, match=r"absent\.db No such file"):
        restore(tmp_path / "absent.db", database)


def test_a_copy_that_was_made_by_hand_is_taken(database, tmp_path):
    """By SQLite's backup alone, as earlier versions of the documentation had it."""
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    assert copy.read_bytes()[18:20] == b"\2\2", "a WAL database"
    restore(copy, database)
    assert ids(database) == list(range(1, 301))


def test_too_little_room_is_said_before_anything_is_written(small_disk, backup, fill):
    database = small_disk / "watchtower.db"
    fill(database, 1)
    with pytest.raises(RestoreError, match=r"not enough room in .* needs .* MB .* are free"):
        restore(backup, database, lose_newer=True)
    assert ids(database) == [1]
