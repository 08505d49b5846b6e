"""Backups of real databases, beside a real process that writes."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from watchtower_collector import backup, backup_directory, database_check
from watchtower_collector.backup import back_up
from watchtower_collector.backup_directory import open_backup_directory
from watchtower_collector.database_check import check_database
from watchtower_collector.database_lock import replacing_database
from watchtower_collector.keeping_errors import BackupError, DatabaseInUseError
from watchtower_collector.store.sqlite import SQLiteStore

DEADLINE = 60

# Commits 20 events at a time and says the newest id of each batch, until its input ends.
WRITER = """
import select, sys
from pathlib import Path
from watchtower_collector.event import event_row, parse_event
from watchtower_collector.store.sqlite import SQLiteStore

store = SQLiteStore(Path(sys.argv[1]))
event = {"type": "login", "timestamp": "2026-03-14T09:26:53Z", "hostname": "web-1"}
row = event_row(parse_event(event), 1)
while not select.select([sys.stdin], [], [], 0)[0]:
    print(store.append([dict(row) for _ in range(20)])[-1].id, flush=True)
store.close()
"""


@pytest.fixture
def database(tmp_path, fill):
    path = tmp_path / "watchtower.db"
    fill(path, 2_000)
    return path


@pytest.fixture
def directory(tmp_path):
    directory = tmp_path / "backups"
    directory.mkdir(mode=0o700)
    return directory


class WritingProcess:
    """A process that writes without a pause."""

    def __init__(self, database, repository):
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(database)],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(repository / "src")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def acknowledged(self):
        """Wait for the next commit and return its newest id."""
        line = self._process.stdout.readline()
        assert line, self._process.stderr.read()
        return int(line)

    def stop(self):
        _, errors = self._process.communicate(timeout=DEADLINE)
        assert (self._process.returncode, errors) == (0, "")


@pytest.fixture
def writer(database, repository):
    process = WritingProcess(database, repository)
    yield process
    process.stop()


def names(directory):
    return sorted(file.name for file in directory.iterdir())


def test_a_backup_beside_a_busy_writer_is_whole_and_misses_nothing(
    database, directory, writer, monkeypatch
):
    monkeypatch.setattr(backup, "_STEP_PAGES", 50)
    acknowledged = writer.acknowledged()
    steps = []

    def progress(done, total):
        writer.acknowledged()  # a commit between any two steps
        steps.append((done, total))
        assert len(steps) < 1_000, "it begins again and again"

    made = back_up(database, directory, progress=progress)
    assert made.contents.newest_id >= acknowledged
    assert made.contents.events == made.contents.newest_id
    done = [done for done, _ in steps]
    assert len(steps) > 5
    assert done == sorted(set(done)), "it was never begun again"
    assert len({total for _, total in steps}) == 1, "it is the database of one moment"
    assert writer.acknowledged() > made.contents.newest_id, "and the writer goes on"


def test_a_backup_is_one_closed_file_that_opens_as_a_store(database, directory):
    made = back_up(database, directory)
    assert names(directory) == [made.path.name]
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert made.path.read_bytes()[18:20] == b"\1\1", "not a WAL database"
    assert made.contents == check_database(made.path)
    assert (made.contents.events, made.contents.newest_id) == (2_000, 2_000)
    SQLiteStore(made.path).close()


def test_a_backup_needs_no_collector_and_leaves_the_database_as_it_is(database, directory):
    before = database.read_bytes()
    back_up(database, directory)
    assert database.read_bytes() == before


def test_only_the_newest_are_kept_and_what_is_not_ours_stays(database, directory):
    old = [f"watchtower-2026010{day}T000000Z.db" for day in range(1, 6)]
    foreign = ["watchtower-before-upgrade.db", "watchtower-20260101T000000Z.db.gz"]
    for name in old + foreign:
        (directory / name).touch()
    made = back_up(database, directory, keep=3)
    assert [path.name for path in made.removed] == old[:3]
    assert names(directory) == sorted([*old[3:], *foreign, made.path.name])


def test_a_clock_that_was_ahead_does_not_remove_the_new_backup(database, directory):
    future = [f"watchtower-2199010{day}T000000Z.db" for day in range(1, 4)]
    for name in future:
        (directory / name).touch()
    made = back_up(database, directory, keep=2)
    assert names(directory) == [made.path.name, future[2]]


def test_backups_of_a_clock_that_was_ahead_do_not_crowd_out_those_made_since(database, directory):
    """They would be the newest for years, and only one of the others be kept."""
    right = "watchtower-20260101T000000Z.db"
    for name in ("watchtower-21990101T000000Z.db", "watchtower-21990102T000000Z.db", right):
        (directory / name).touch()
    kept = {back_up(database, directory, keep=3).path.name for _ in range(2)}
    assert set(names(directory)) == kept | {right}


def test_a_copy_that_fails_its_check_removes_no_backup(database, directory, monkeypatch):
    good = directory / "watchtower-20260101T000000Z.db"
    good.touch()
    with closing(sqlite3.connect(database)) as connection:
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'events'"
        ).fetchone()
        (page,) = connection.execute("PRAGMA page_size").fetchone()
    with database.open("r+b") as file:
        file.seek((root - 1) * page)
        file.write(b"\xff" * page)
    with pytest.raises(BackupError, match=r"the copy is no good, and was removed: .* is damaged"):
        back_up(database, directory, keep=1)
    assert names(directory) == [good.name]


def test_what_a_killed_backup_left_is_removed(database, directory):
    left = "watchtower-20260101T000000Z.db.part"
    for suffix in ("", "-journal", "-wal", "-shm"):
        (directory / (left + suffix)).touch()
    made = back_up(database, directory)
    assert names(directory) == [made.path.name]


def test_killed_at_any_line_it_leaves_whole_backups_only(
    database, directory, kill_at_each_line, monkeypatch
):
    monkeypatch.setattr(backup, "_STEP_PAGES", 100)
    first = back_up(database, directory).path
    # Of another day, so that the next one need not wait for a name of its own.
    earlier = first.rename(directory / "watchtower-20260101T000000Z.db")

    def work():
        back_up(database, directory, keep=2)

    whole = 0
    for _ in kill_at_each_line(work, backup, backup_directory, database_check):
        made = [name for name in names(directory) if name.endswith(".db")]
        assert earlier.name in made
        for name in set(made) - {earlier.name}:
            assert check_database(directory / name).events == 2_000
            (directory / name).unlink()
            whole += 1
    assert whole > 0, "also after it had its name"
    back_up(database, directory)
    assert [name for name in names(directory) if not name.endswith(".db")] == []


def test_two_at_once_are_refused(database, directory):
    with open_backup_directory(directory), pytest.raises(BackupError, match="another backup"):
        back_up(database, directory)
    assert names(directory) == []


def test_while_it_copies_no_restore_can_begin(database, directory):
    refused = []

    def progress(_done, _total):
        with pytest.raises(DatabaseInUseError), replacing_database(database):
            pass
        refused.append(True)

    back_up(database, directory, progress=progress)
    assert refused


def test_too_little_room_is_said_before_anything_is_written(database, small_disk, fill):
    fill(database, 10_000)
    good = small_disk / "watchtower-20260101T000000Z.db"
    good.touch()
    with pytest.raises(BackupError, match=r"needs \d+\.\d MB, [34]\.\d MB are free. Keep fewer"):
        back_up(database, small_disk, keep=1)
    assert names(small_disk) == [good.name]


def test_a_disk_that_fills_up_meanwhile_costs_no_older_backup(database, small_disk, monkeypatch):
    monkeypatch.setattr(backup, "_STEP_PAGES", 10)
    good = small_disk / "watchtower-20260101T000000Z.db"
    good.touch()

    def progress(done, _total):
        ballast = small_disk / "ballast"
        if not ballast.exists():
            ballast.write_bytes(b"x" * shutil.disk_usage(small_disk).free)

    with pytest.raises(BackupError, match="full"):
        back_up(database, small_disk, keep=1, progress=progress)
    assert names(small_disk) == ["ballast", good.name]


def test_ctrl_c_leaves_nothing(database, directory):
    def progress(_done, _total):
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        back_up(database, directory, progress=progress)
    assert names(directory) == []


def test_a_database_that_is_not_there_is_said_and_not_made(tmp_path, directory):
    absent = tmp_path / "absent.db"
    with pytest.raises(
        BackupError, match=r"there is no database .*absent\.db.*WATCHTOWER_DB_PATH"
    ):
        back_up(absent, directory)
    assert not absent.exists()


def test_what_is_no_database_is_not_backed_up(tmp_path, directory):
    path = tmp_path / "watchtower.db"
    path.write_text("no database " * 1_000)
    with pytest.raises(BackupError, match="not a database"):
        back_up(path, directory)
    assert names(directory) == []


def test_keeping_none_is_refused(database, directory):
    with pytest.raises(BackupError, match="at least one"):
        back_up(database, directory, keep=0)
    assert names(directory) == []


def test_two_in_one_second_have_two_names(database, directory):
    made = {back_up(database, directory).path for _ in range(2)}
    assert len(made) == 2
    assert names(directory) == sorted(path.name for path in made)


def test_a_directory_that_is_not_there_is_made_for_its_owner_alone(database, tmp_path):
    made = back_up(database, tmp_path / "new")
    assert made.path.parent.stat().st_mode & 0o777 == 0o700
