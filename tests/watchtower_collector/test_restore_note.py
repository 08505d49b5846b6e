"""What a restored database tells the agents: since when they are to send again."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from restored_database import DAY, NOW, damage, ids, note_of, noted

from watchtower_collector.backup import back_up
from watchtower_collector.loss import Lost
from watchtower_collector.restore import restore
from watchtower_collector.store import restore_note as restore_note_module
from watchtower_collector.store.restore_note import note_restore, restore_note
from watchtower_collector.timestamps import format_rfc3339


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
    restore(backup, database, lose_newer=True)
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
