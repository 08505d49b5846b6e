"""``watchtowerctl backup`` and ``restore``, on the collector's host."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from watchtower_collector.event import event_row, parse_event
from watchtower_collector.keeping_errors import KeepingError
from watchtower_collector.store.sqlite import SQLiteStore
from watchtowerctl.errors import CONFIGURATION, TRY_LATER, UNAVAILABLE, USAGE
from watchtowerctl.host_database import DEFAULT, host_database, not_done

SOURCE = Path(__file__).resolve().parents[2] / "src"
EVENT = {"type": "login", "timestamp": "2026-03-14T09:26:53Z", "hostname": "web-1"}


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "state" / "watchtower.db"
    path.parent.mkdir()
    fill(path, 3)
    return path


def fill(path, count):
    store = SQLiteStore(path)
    store.append([event_row(parse_event(EVENT), 1_800_000_000_000_000) for _ in range(count)])
    store.close()


@pytest.fixture
def ctl(database):
    def run(*arguments, source=SOURCE):
        return subprocess.run(
            [sys.executable, "-m", "watchtowerctl", *map(str, arguments)],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(source),
                "WATCHTOWER_DB_PATH": str(database),
                "TZ": "UTC",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def backup(ctl, tmp_path):
    """A backup of three events."""
    ended = ctl("backup", "--directory", tmp_path / "backups")
    assert (ended.returncode, ended.stderr) == (0, "")
    fields = dict(line.split(maxsplit=1) for line in ended.stdout.splitlines())
    assert fields["Events"] == "3"
    return Path(fields["Backup"])


def test_a_backup_is_made_and_said(backup, tmp_path):
    assert list((tmp_path / "backups").iterdir()) == [backup]


def test_a_restore_says_what_is_lost_and_what_to_do(ctl, backup, database):
    fill(database, 2)
    refused = ctl("restore", backup, "--yes")
    assert refused.returncode == UNAVAILABLE
    assert (
        "the present database has 2 events that the backup has not, "
        "stored from 2027-01-15 08:00:00+00:00 to 2027-01-15 08:00:00+00:00. "
    ) in refused.stderr
    for words in ("agents then send again what their hosts' journals hold", "Heartbeats"):
        assert words in refused.stderr
    ended = ctl("restore", backup, "--yes", "--lose-newer")
    assert ended.returncode == 0, ended.stderr
    assert "watchtower.db.before-restore-" in ended.stdout
    assert "Lost: 2 events stored from 2027-01-15" in ended.stderr
    assert "systemctl start watchtower-collector.socket" in ended.stderr
    assert "tokens" not in ended.stderr


def test_one_event_is_one_event(ctl, backup, database):
    fill(database, 1)
    assert "has 1 event that the backup has not" in ctl("restore", backup, "--yes").stderr
    ended = ctl("restore", backup, "--yes", "--lose-newer")
    assert "Lost: 1 event stored from 2027-01-15" in ended.stderr


def test_the_present_database_is_no_backup_of_itself(ctl, database, tmp_path):
    (tmp_path / "link").symlink_to(database)
    before = database.read_bytes()
    for file in (database, tmp_path / "link"):
        ended = ctl("restore", file, "--yes")
        assert ended.returncode == USAGE
        assert f"{file} is the present database itself" in ended.stderr
    assert database.read_bytes() == before
    assert [file.name for file in database.parent.iterdir()] == [database.name]


def test_after_a_database_that_is_gone_tokens_are_to_be_looked_at(ctl, backup, database):
    database.unlink()
    ended = ctl("restore", backup, "--yes")
    assert ended.returncode == 0, ended.stderr
    assert "Lost: an unknown number of events" in ended.stderr
    assert "tokens revoked since the backup may be valid again" in ended.stderr


def test_without_a_terminal_nothing_is_restored_unasked(ctl, backup):
    ended = ctl("restore", backup)
    assert ended.returncode == USAGE
    assert "--yes" in ended.stderr


@pytest.mark.parametrize("answer", [b"n\n", b"\x04"], ids=["no", "end of input"])
def test_a_no_restores_nothing_and_is_documented(backup, database, answer):
    before = database.read_bytes()
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    ended = subprocess.run(
        [sys.executable, "-m", "watchtowerctl", "restore", str(backup)],
        env=os.environ | {"PYTHONPATH": str(SOURCE), "WATCHTOWER_DB_PATH": str(database)},
        stdin=theirs,
        capture_output=True,
        timeout=60,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert ended.returncode == 1
    assert ended.stderr.endswith(b"Nothing was changed.\n")
    assert b"Aborted" not in ended.stderr
    assert database.read_bytes() == before
    page = (SOURCE.parent / "docs/operations/watchtowerctl.md").read_text("utf-8")
    assert "| 1 | `check` found something that fails, or you answered no to `restore` |" in page
    assert "; `restore` would lose newer events" in page


def test_a_database_in_use_is_said_by_the_status(ctl, backup, database):
    store = SQLiteStore(database)
    store.append([event_row(parse_event(EVENT), 1)])
    try:
        ended = ctl("restore", backup, "--yes", "--lose-newer")
    finally:
        store.close()
    assert ended.returncode == TRY_LATER
    assert "systemctl stop watchtower-collector.socket" in ended.stderr


def test_a_backup_that_cannot_be_made_is_said(ctl, tmp_path):
    (tmp_path / "file").touch()
    ended = ctl("backup", "--directory", tmp_path / "file")
    assert ended.returncode == UNAVAILABLE
    assert ended.stderr == f"watchtowerctl: no backup was made: {tmp_path}/file: Not a directory\n"


def test_a_directory_that_cannot_be_made_is_nobody_elses(ctl):
    ended = ctl("backup", "--directory", "/proc/x")
    assert ended.returncode == UNAVAILABLE
    assert (
        ended.stderr == "watchtowerctl: no backup was made: /proc/x: No such file or directory\n"
    )


def test_a_backup_that_is_not_there_is_said(ctl, database, tmp_path):
    ended = ctl("restore", tmp_path / "none.db", "--yes")
    assert ended.returncode == UNAVAILABLE
    said = f"watchtowerctl: nothing was restored: {tmp_path}/none.db: No such file or directory\n"
    assert ended.stderr == said


def test_what_is_not_permitted_is_said_with_the_owner():
    error = KeepingError("words")
    error.__cause__ = PermissionError(13, "Permission denied", "/srv/x")
    said = str(not_done("no backup was made", error))
    assert said.startswith("no backup was made: /srv/x: Permission denied. Use sudo; ")


@pytest.mark.parametrize("arguments", [("backup",), ("restore", "file", "--yes")])
def test_elsewhere_it_says_where_it_works(ctl, tmp_path, arguments):
    """On an admin's own machine there is watchtowerctl alone."""
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "watchtowerctl").symlink_to(SOURCE / "watchtowerctl")
    blocker = "import sys; sys.modules['watchtower_collector'] = None\n"
    (alone / "sitecustomize.py").write_text(blocker)
    ended = ctl(*arguments, source=alone)
    assert ended.returncode == CONFIGURATION
    assert "on the collector's host only" in ended.stderr


def test_the_database_is_the_collectors(tmp_path):
    file = tmp_path / "env"
    assert host_database({}, file) == DEFAULT
    file.write_text('ADMIN_API_KEY="x"\nWATCHTOWER_DB_PATH="/srv/watchtower.db"\n')
    assert host_database({}, file) == Path("/srv/watchtower.db")
    assert host_database({"WATCHTOWER_DB_PATH": "/mnt/a.db"}, file) == Path("/mnt/a.db")
