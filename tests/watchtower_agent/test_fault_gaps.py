"""The position, or the journal, is gone: done to real journal files."""

import sqlite3

import pytest
from logins import BOOT, SECOND, THIRD, login, ports, take

from watchtower_agent.spool import FILE_NAME, Spool

SUDO = {
    "MESSAGE": "alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls",
    "SYSLOG_IDENTIFIER": "sudo",
    "_COMM": "sudo",
    "_SYSTEMD_UNIT": "session-1.scope",
    "_UID": "1000",
}


def test_a_file_that_is_renamed_just_then_is_no_gap(reader, spool, journal_directory, monkeypatch):
    """The last entry is a user's, so the system's own journal is looked for, and it rotates."""
    journal_directory.write(login(1))
    journal_directory.write(SUDO, file="user-1000.journal")
    reader.drain()
    take(spool)
    folder = journal_directory.path
    look = reader._journal._first

    def rotated_meanwhile(arguments):
        if "--system" not in arguments:
            return look(arguments)
        monkeypatch.undo()
        (folder / "system.journal").rename(folder.parent / "renamed")
        journal_directory.write(login(2))
        try:
            return look(arguments)
        finally:
            (folder.parent / "renamed").rename(folder / "system@1.journal")

    monkeypatch.setattr(reader._journal, "_first", rotated_meanwhile)
    monkeypatch.setattr("watchtower_agent.reader.current_boot_id", lambda: BOOT)
    reader.drain()
    assert ports(spool) == [2]


def test_entries_that_were_written_at_once_are_no_gap(reader, spool, journal_directory):
    """journald's word about dropped messages, and the message that made it say so."""
    dropped = {
        "MESSAGE": "Suppressed 5 messages from session-1.scope",
        "MESSAGE_ID": "a596d6fe7bfa4994828e72309e95d61e",
        "SYSLOG_IDENTIFIER": "systemd-journald",
        "_TRANSPORT": "driver",
        "_UID": "0",
    }
    journal_directory.write(login(1), dropped)
    journal_directory.clock -= 1_000_000
    journal_directory.monotonic -= 1_000_000
    journal_directory.write(SUDO, file="user-1000.journal")
    assert reader.drain() == 3
    assert {event["type"] for event in take(spool)} == {"login", "journal_gap", "untrusted"}
    assert [reader.drain() for _ in range(3)] == [0, 0, 0]
    assert take(spool) == []


def test_the_oldest_entry_left_is_read_even_if_the_agent_dies_at_the_gap(
    start, spool, journal_directory
):
    journal_directory.write(login(1))
    start().drain()
    (journal_directory.path / "system.journal").unlink()
    journal_directory.write(login(2), login(3))
    dying = start()
    dying._journal.boot = lambda _: 1 / 0
    with pytest.raises(ZeroDivisionError):
        dying.drain()
    start().drain()
    assert ports(spool) == [1, "journal_gap", 2, 3]


def test_behind_a_gap_all_boots_are_read(start, spool, journal_directory, boot):
    """The oldest entry left is of a boot before the one in which the position was lost."""
    for boot_id, number in ((BOOT, 1), (SECOND, 2)):
        boot(boot_id)
        journal_directory.write(login(number), boot=boot_id)
        start().drain()
        journal_directory.rotate(f"system@{number}.journal")
    take(spool)
    (journal_directory.path / "system@2.journal").unlink()
    journal_directory.write(login(3), boot=SECOND)
    journal_directory.rotate("system@3.journal")
    boot(THIRD)
    journal_directory.write(login(4), boot=THIRD)
    start().drain()
    assert ports(spool) == ["journal_gap", 1, 3, 4]


def test_a_volatile_journal_and_a_reboot_while_the_collector_is_away(
    start, spool, journal_directory, boot, tmp_path
):
    """What was spooled survives; the rest is a gap that says from when to when."""
    journal_directory.write(login(1), login(2))
    start().drain()
    journal_directory.write(login(3))
    spool.close()
    (journal_directory.path / "system.journal").unlink()
    journal_directory.write(login(4), boot=SECOND)
    boot(SECOND)
    after_the_reboot = Spool(tmp_path, 100_000_000)
    reader = start(spool=after_the_reboot)
    reader.drain()
    first, second, gap, fourth = take(after_the_reboot)
    assert [event["source_port"] for event in (first, second, fourth)] == [1, 2, 4]
    assert gap["type"] == "journal_gap"
    assert (gap["gap_since"], gap["gap_until"]) == (second["timestamp"], fourth["timestamp"])
    after_the_reboot.close()


def test_a_spool_without_a_usable_position_is_set_aside(start, spool, journal_directory, tmp_path):
    journal_directory.write(login(1))
    start().drain()
    spool.close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("UPDATE state SET value = '{\"cursor\": 1}' WHERE name = 'position'")
    connection.commit()
    connection.close()
    again = Spool(tmp_path, 100_000_000)
    reader = start(spool=again)
    reader.drain()
    gap, event = take(again)
    assert (gap["type"], gap["reason"]) == ("journal_gap", "spool_damaged")
    assert event["source_port"] == 1
    again.close()
