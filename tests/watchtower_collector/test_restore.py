"""Restores of real databases, also ones that end before their end."""

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from restored_database import DAY, LATER, NOW, at_work, damage, ids, names, note_of, noted

from watchtower_collector import carry_over, database_lock, loss
from watchtower_collector import restore as restore_module
from watchtower_collector.backup import back_up
from watchtower_collector.carry_over import UNKNOWN_IDS
from watchtower_collector.database_check import check_database
from watchtower_collector.keeping_errors import NewerEventsError
from watchtower_collector.restore import restore
from watchtower_collector.timestamps import format_rfc3339


def test_it_brings_back_what_was_lost(database, backup):
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM events WHERE id < 200")
    result = restore(backup, database)
    assert ids(database) == list(range(1, 301))
    assert result.contents == check_database(backup)
    assert (result.lost, result.carried_over) == (None, True)
    assert noted(database) == [], "nothing is missing"
    assert ids(result.set_aside) == list(range(200, 301)), "the database before is kept"


def test_the_wal_of_the_present_database_is_set_aside_with_it(database, backup, fill, tmp_path):
    """A process that was killed leaves a WAL: what it holds was acknowledged."""
    killed = tmp_path / "killed"
    with at_work(database):
        fill(database, 5, LATER)
        shutil.copytree(database.parent, killed)
    database = killed / "watchtower.db"
    assert (killed / "watchtower.db-wal").stat().st_size > 0
    result = restore(backup, database, lose_newer=True)
    assert ids(result.set_aside) == list(range(1, 306))
    assert ids(database) == list(range(1, 301))
    assert names(database) == [
        "watchtower.db",
        result.set_aside.name,
        "watchtower.db.lock",
    ]


def test_newer_events_are_lost_only_when_told_to(database, backup, fill):
    fill(database, 7, LATER)
    with pytest.raises(NewerEventsError, match="has 7 events that the backup has not") as refused:
        restore(backup, database)
    lost = refused.value.lost
    assert (lost.events, lost.since, lost.until) == (7, LATER, LATER + 6)
    assert ids(database) == list(range(1, 308))
    assert names(database) == ["watchtower.db", "watchtower.db.lock"]
    result = restore(backup, database, lose_newer=True)
    assert (result.lost.events, result.lost.since, result.lost.until) == (7, LATER, LATER + 6)
    ((id_, words),) = noted(database)
    assert id_ == 308, "no id is given twice"
    assert words == {
        "gap_since": format_rfc3339(LATER),
        "gap_until": format_rfc3339(LATER + 6),
        "lost_events": 7,
    }
    assert fill(database, 1) == [309]


def test_events_of_a_collector_that_was_installed_anew_are_newer_too(database, backup, fill):
    """It began with the ids of the lost one again."""
    database.unlink()
    fill(database, 3, LATER)
    with pytest.raises(NewerEventsError, match="has 3 events"):
        restore(backup, database)
    result = restore(backup, database, lose_newer=True)
    assert not result.carried_over, "what was stored after the backup is not known"
    assert note_of(database).missing_since <= check_database(backup).newest_received_at
    assert fill(database, 1) == [noted(database)[0][0] + 1] == [300 + UNKNOWN_IDS + 2]


def test_a_backup_whose_newest_event_was_deleted_since_is_still_known(database, backup, fill):
    """Heartbeats do not stay as long as other events."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM events WHERE id = 300")
    result = restore(backup, database)
    assert (result.lost, result.carried_over) == (None, True)
    assert noted(database) == [], "nothing is missing"
    assert fill(database, 1) == [301]


def test_a_present_database_that_is_older_than_the_backup_is_told_apart(database, backup, fill):
    """Somebody copied an old one there by hand: what came after the backup is not known."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM events WHERE id > 100")
        connection.execute("UPDATE sqlite_sequence SET seq = 100 WHERE name = 'events'")
    assert not restore(backup, database).carried_over
    assert note_of(database).missing_since <= check_database(backup).newest_received_at
    assert fill(database, 1) == [noted(database)[0][0] + 1] == [300 + UNKNOWN_IDS + 2]


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_without_the_present_database_ids_go_on_far_above(database, backup, fill, how):
    if how == "gone":
        database.unlink()
    else:
        damage(database)
    result = restore(backup, database)
    assert not result.carried_over
    assert result.lost.events is None
    assert result.lost.since == result.contents.newest_received_at
    assert result.lost.until > result.lost.since
    ((_, words),) = noted(database)
    assert set(words) == {"gap_since", "gap_until"}, "how many is not known"
    assert fill(database, 1) == [300 + UNKNOWN_IDS + 2]
    if how == "damaged":
        assert result.set_aside.read_bytes()[:10] == b"\xff" * 10
    else:
        assert result.set_aside is None


def test_a_wal_without_its_database_does_not_get_into_the_restored_one(
    database, backup, fill, tmp_path
):
    killed = tmp_path / "killed"
    with at_work(database):
        fill(database, 5, LATER)
        shutil.copytree(database.parent, killed)
    database = killed / "watchtower.db"
    database.unlink()
    wal = (killed / "watchtower.db-wal").read_bytes()
    restore(backup, database)
    assert ids(database) == list(range(1, 301))
    (aside,) = killed.glob("watchtower.db.before-restore-*-wal")
    assert aside.read_bytes() == wal


def test_two_restores_in_a_row_end_in_the_same(database, backup, fill):
    restore(backup, database)
    result = restore(backup, database)
    assert (result.lost, result.carried_over) == (None, True)
    assert noted(database) == [], "nothing is missing"
    assert fill(database, 1) == [301]


def test_the_restored_database_is_the_services_and_closed_to_others(fill):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to another user")
    # pytest's own directories are closed to the user that the database is given to.
    with tempfile.TemporaryDirectory() as temporary:
        outer = Path(temporary)
        outer.chmod(0o755)
        database = outer / "state" / "watchtower.db"
        database.parent.mkdir(mode=0o700)
        fill(database, 10)
        for path in (database.parent, database):
            os.chown(path, 65_534, 65_534)
        made = back_up(database, outer / "backups")
        home = outer / "root"  # copied there from another host, by root
        home.mkdir(mode=0o700)
        shutil.copy(made.path, home / "copy.db")
        result = restore(home / "copy.db", database)
        for path in (database, result.set_aside, made.path.parent):
            status = path.stat()
            assert (status.st_uid, status.st_gid) == (65_534, 65_534), path
            assert status.st_mode & 0o077 == 0, path
        assert (os.geteuid(), os.getegid()) == (0, 0), "and we are root again"


@pytest.mark.parametrize("how", ["sound", "damaged"])
def test_killed_at_any_line_one_of_both_is_in_place_and_a_second_run_finishes(
    database, backup, fill, kill_at_each_line, how
):
    fill(database, 5, NOW - 9 * DAY)
    missing_since = NOW - 9 * DAY
    if how == "damaged":
        damage(database)
        missing_since = 1_000_000_000_000_000  # of what the backup holds, by its host's clock
    before, after = list(range(1, 306)), list(range(1, 301))
    seen = set()

    def work():
        restore(backup, database, lose_newer=True)

    sound = backup.parent / "sound"
    shutil.copytree(database.parent, sound)
    damaged = database.read_bytes() if how == "damaged" else None
    for _ in kill_at_each_line(work, restore_module, carry_over, loss, database_lock):
        found = "before" if database.read_bytes() == damaged else tuple(ids(database))
        assert found in {"before", tuple(before), tuple(after)}
        seen.add(found == tuple(after))
        work()
        assert ids(database) == after
        assert note_of(database).missing_since == missing_since
        aside = [name for name in names(database) if ".before-restore-" in name]
        assert len([n for n in aside if not n.endswith(("-wal", "-shm"))]) in {1, 2}
        assert "watchtower.db.restoring" not in names(database)
        shutil.rmtree(database.parent)
        shutil.copytree(sound, database.parent)
    assert seen == {True, False}
