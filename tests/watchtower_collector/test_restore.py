"""Restores of real databases, and all that must refuse one."""

import json
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from watchtower_collector import carry_over, database_lock, loss
from watchtower_collector import restore as restore_module
from watchtower_collector.backup import back_up
from watchtower_collector.carry_over import UNKNOWN_IDS
from watchtower_collector.database_check import check_database
from watchtower_collector.database_lock import replacing_database, using_database
from watchtower_collector.keeping_errors import DatabaseInUseError, NewerEventsError, RestoreError
from watchtower_collector.loss import Lost
from watchtower_collector.restore import restore
from watchtower_collector.store import restore_note as restore_note_module
from watchtower_collector.store.migrations import STEPS
from watchtower_collector.store.restore_note import note_restore, restore_note
from watchtower_collector.store.sqlite import SQLiteStore
from watchtower_collector.timestamps import format_rfc3339

DEADLINE = 60
LATER = 1_800_000_000_000_000
DAY = 86_400_000_000
NOW = time.time_ns() // 1_000


@pytest.fixture
def database(tmp_path, fill):
    path = tmp_path / "state" / "watchtower.db"
    path.parent.mkdir()
    fill(path, 300)
    return path


@pytest.fixture
def backup(database, tmp_path):
    return back_up(database, tmp_path / "backups").path


def ids(database):
    """Return the ids of the agents' events."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            "SELECT id FROM events WHERE type != 'store_restored' ORDER BY id"
        )
        return [id_ for (id_,) in rows]


def noted(database):
    """Return what the restored database says of its own restores."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT id, extra FROM events WHERE type = 'store_restored'")
        return [(id_, json.loads(extra)) for id_, extra in rows]


def names(database):
    """Return what is in the database's directory."""
    return sorted(file.name for file in database.parent.iterdir())


@contextmanager
def at_work(database):
    """Keep the database open, so that nobody's leaving writes the WAL back."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("SELECT count(*) FROM events").fetchone()
        yield


def damage(database):
    """Overwrite the first page: nothing of it can be read any more."""
    with database.open("r+b") as file:
        file.write(b"\xff" * 4_096)


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


def note_of(database):
    with closing(SQLiteStore(database)) as store:
        return store.read(restore_note)


def test_agents_are_told_since_when_events_are_missing(database, backup, fill):
    assert note_of(database) is None
    restore(backup, database)
    assert note_of(database) is None, "nothing was missing"
    fill(database, 7, NOW - DAY)
    restore(backup, database, lose_newer=True)
    first = note_of(database)
    assert first.missing_since == NOW - DAY
    fill(database, 7, NOW)
    restore(backup, database, lose_newer=True)
    assert note_of(database).id != first.id


@pytest.mark.parametrize(
    ("happened", "missing_since"),
    [(1, 2), (5, 5), (30, 30), (32, 2), (20_000, 2), (-5, 2)],
)
def test_what_came_late_is_looked_for_where_it_happened(
    database, backup, fill, happened, missing_since
):
    """In days ago. A clock that is far behind does not send the whole fleet years back."""
    fill(database, 3, NOW - 2 * DAY)
    fill(database, 1, NOW - DAY, at=NOW - happened * DAY)
    result = restore(backup, database, lose_newer=True)
    told = NOW - missing_since * DAY
    assert result.lost == Lost(4, NOW - 2 * DAY, NOW - DAY, told)
    assert note_of(database).missing_since == told
    ((_, words),) = noted(database)
    assert words["gap_since"] == format_rfc3339(NOW - 2 * DAY), "when they were stored"


def test_what_a_clock_that_was_ahead_has_stored_is_looked_for_where_it_happened(
    database, backup, fill
):
    fill(database, 3, NOW + 400 * DAY, at=NOW - 5 * DAY)
    restore(backup, database, lose_newer=True)
    assert note_of(database).missing_since == NOW - 5 * DAY


def test_without_the_present_database_a_clock_that_was_ahead_is_not_believed(
    database, fill, tmp_path
):
    """The backup's newest event is of a time that has not come yet."""
    fill(database, 1, NOW - 3 * DAY)
    fill(database, 3, NOW + 400 * DAY, at=NOW - 2 * DAY)
    backup = back_up(database, tmp_path / "backups").path
    damage(database)
    result = restore(backup, database)
    assert result.lost.since == NOW - 3 * DAY
    assert note_of(database).missing_since == NOW - 3 * DAY


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_without_the_present_database_hosts_that_were_behind_are_thought_of(
    database, fill, tmp_path, how
):
    """They were silent, or their clocks are slow; what they sent after the backup is older."""
    fill(database, 1, NOW - 300 * DAY, hostname="gone long ago")
    fill(database, 1, NOW - 9 * DAY, hostname="silent")
    fill(database, 1, NOW - 2 * DAY, at=NOW - 11 * DAY, hostname="slow")
    fill(database, 3, NOW - DAY)
    backup = back_up(database, tmp_path / "backups").path
    fill(database, 1, NOW - 1, hostname="silent")
    if how == "gone":
        database.unlink()
    else:
        damage(database)
    result = restore(backup, database)
    assert result.lost.since == NOW - DAY + 2
    assert note_of(database).missing_since == NOW - 11 * DAY


def test_who_missed_a_restore_hears_of_it_with_the_next(store, monkeypatch):
    """For 30 days after it took place, however old the backup was."""
    restores = ((100, 65, 65), (101, 100, 65), (130, 129, 65), (161, 160, 160), (162, 150, 150))
    for day, missing_since, told in restores:
        monkeypatch.setattr(restore_note_module, "now_us", lambda now=day * DAY: now)
        store.write(lambda c, since=missing_since * DAY: note_restore(c, since))
        assert store.read(restore_note).missing_since == told * DAY


def test_a_second_restore_remembers_what_the_first_one_lost(database, backup, fill, tmp_path):
    """The wrong backup first, then the right one: what agents sent again is lost again."""
    fill(database, 5, NOW - 9 * DAY)
    right = back_up(database, tmp_path / "right").path
    fill(database, 5, NOW - 5 * DAY)
    restore(backup, database, lose_newer=True)
    assert note_of(database).missing_since == NOW - 9 * DAY
    first = note_of(database)
    fill(database, 5, NOW - 1)
    restore(right, database, lose_newer=True)
    assert note_of(database).missing_since == NOW - 9 * DAY
    assert note_of(database).id != first.id


def test_the_same_restore_once_more_loses_and_forgets_nothing(database, backup, fill):
    """After a kill, that is what an operator is told to do."""
    fill(database, 7, NOW - 9 * DAY)
    restore(backup, database, lose_newer=True)
    note, reports = note_of(database), noted(database)
    result = restore(backup, database)
    assert (result.lost, result.carried_over) == (None, True)
    assert (note_of(database), noted(database)) == (note, reports)
    assert ids(database) == list(range(1, 301))
    assert fill(database, 1) == [309]


def test_of_a_present_database_whose_events_are_damaged_the_note_is_known(database, backup, fill):
    fill(database, 7, NOW - 9 * DAY)
    restore(backup, database, lose_newer=True)
    with closing(sqlite3.connect(database)) as connection:
        (page,) = connection.execute("PRAGMA page_size").fetchone()
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'events'"
        ).fetchone()
    with database.open("r+b") as file:
        file.seek((root - 1) * page)
        file.write(b"\xff" * page)
    newest = fill(backup, 1, NOW - 60)
    assert newest == [301]
    restore(backup, database)
    assert note_of(database).missing_since == NOW - 9 * DAY


def test_a_note_of_long_ago_is_not_told_again(database, backup, fill):
    """The backup knows of a restore that everybody has heard of, the present one of the last."""
    fill(database, 7, NOW - 9 * DAY)
    restore(backup, database, lose_newer=True)
    note = note_of(database)
    with closing(sqlite3.connect(backup)) as connection, connection:
        connection.execute(
            "UPDATE store_state SET restore_id = ?, restored_at = ?, missing_since = ?",
            ("0" * 32, NOW - 40 * DAY, NOW - 50 * DAY),
        )
    restore(backup, database)
    assert note_of(database) == note
    with closing(sqlite3.connect(backup)) as connection, connection:
        connection.execute("UPDATE store_state SET restored_at = ?", (NOW - 20 * DAY,))
    restore(backup, database)
    assert note_of(database) == replace(note, missing_since=NOW - 50 * DAY)


def test_a_present_database_of_before_there_were_notes_has_none(database, backup):
    with closing(sqlite3.connect(database)) as connection, connection:
        for column in ("restore_id", "restored_at", "missing_since"):
            connection.execute(f"ALTER TABLE store_state DROP COLUMN {column}")
    assert restore(backup, database).carried_over
    assert note_of(database) is None


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


def test_after_one_was_copied_there_by_hand_the_backup_before_it_asks_for_all(
    database, backup, fill, tmp_path
):
    """The same way when a virtual machine was set back to a snapshot."""
    fill(database, 3, NOW - 9 * DAY)
    copied = back_up(database, tmp_path / "later").path
    fill(database, 3, NOW - 5 * DAY)  # of these nothing here knows any more
    shutil.copy(copied, database)
    fill(database, 3, NOW - DAY)
    restore(backup, database, lose_newer=True)
    assert note_of(database).missing_since == NOW - 9 * DAY


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


# Room, rights, and ends before the end


def test_too_little_room_is_said_before_anything_is_written(small_disk, backup, fill):
    database = small_disk / "watchtower.db"
    fill(database, 1)
    with pytest.raises(RestoreError, match=r"not enough room in .* needs .* MB .* are free"):
        restore(backup, database, lose_newer=True)
    assert ids(database) == [1]


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
