"""Boots, clocks that are wrong, and journals that move, done to real journal files."""

import shutil
import subprocess

import pytest
from logins import BOOT, CRON, FOURTH, SECOND, THIRD, login, ports, take

from watchtower_agent import reader as module
from watchtower_agent.journalctl import StoppedError

YEAR = 365 * 86_400 * 1_000_000


# Boots, and a clock that is wrong


def test_boots_between_two_looks_are_read_whatever_their_clock_said(
    start, spool, journal_directory, boot
):
    """By the clock the second boot lies before the position, and the third far behind it."""
    journal_directory.write(login(1))
    start().drain()
    journal_directory.write(login(2))
    for number, (boot_id, jump) in enumerate([(SECOND, -YEAR), (THIRD, 3 * YEAR)]):
        journal_directory.rotate(f"system@{number}.journal")
        journal_directory.clock += jump
        journal_directory.monotonic = 1_000_000
        journal_directory.write(login(number + 3), CRON, boot=boot_id)
    journal_directory.rotate("system@9.journal")
    journal_directory.clock -= 2 * YEAR
    journal_directory.write(login(5), boot=FOURTH)
    boot(FOURTH)
    reader = start()
    reader.drain()
    assert sorted(ports(spool)) == [1, 2, 3, 4, 5]
    journal_directory.write(login(6), boot=FOURTH)
    reader.drain()
    assert ports(spool) == [6]


@pytest.mark.parametrize("jump", [-YEAR, YEAR], ids=["back", "ahead"])
@pytest.mark.parametrize("archived", [False, True], ids=["one file", "rotated"])
def test_the_clock_jumps_within_a_boot_and_back(reader, spool, journal_directory, jump, archived):
    """journald rotates when the clock was set back; a user's entries have a file of their own."""
    for number in range(1, 10, 3):
        journal_directory.write(login(number))
        journal_directory.write(login(number + 1), CRON, file="user-1000.journal")
        reader.drain()
        if archived:
            journal_directory.rotate(f"system@{number}.journal")
        journal_directory.clock += jump if number % 2 else -jump
        journal_directory.write(login(number + 2))
        reader.drain()
        assert reader.drain() == 0
    assert ports(spool) == list(range(1, 10)), "in order, and no gap"


def test_a_quiet_hosts_position_survives_a_jump_of_the_clock(
    reader, spool, journal_directory, monkeypatch
):
    """As above, with a position that the filter hides."""
    monkeypatch.setattr(module, "_ANCHOR_SECONDS", -1.0)
    journal_directory.write(login(1))
    journal_directory.write(login(2), file="user-1000.journal")
    reader.drain()
    journal_directory.rotate("system@1.journal")
    journal_directory.clock -= YEAR
    journal_directory.write(CRON)
    reader.drain()
    reader.drain()
    journal_directory.write(login(3))
    reader.drain()
    assert ports(spool) == [1, 2, 3]


@pytest.mark.parametrize(
    ("year", "clock"),
    [(1970, 5_000_000), (2100, 4_102_444_800_000_000)],
)
def test_entries_from_1970_and_2100_keep_their_time(reader, spool, journal_directory, year, clock):
    journal_directory.write(login(1))
    reader.drain()
    journal_directory.rotate("system@1.journal")
    journal_directory.clock = clock
    journal_directory.write(login(2))
    reader.drain()
    journal_directory.rotate("system@2.journal")
    journal_directory.clock = module.time.time_ns() // 1000
    journal_directory.write(login(3))
    reader.drain()
    _, odd, _ = events = take(spool)
    assert [event["source_port"] for event in events] == [1, 2, 3]
    assert odd["timestamp"].startswith(f"{year}-01-01T00:00")


def test_the_first_start_with_a_clock_in_1970_reads_all_there_is(
    start, spool, journal_directory, monkeypatch
):
    journal_directory.write(login(1))
    journal_directory.clock = 5_000_000
    journal_directory.rotate("system@1.journal")
    journal_directory.write(login(2), boot=SECOND)
    monkeypatch.setattr(module.time, "time", lambda: 7.0)
    start(backfill_hours=24).drain()
    assert sorted(ports(spool)) == [1, 2]


def test_the_first_start_with_a_clock_in_2100_misses_nothing_from_then_on(
    start, spool, journal_directory, monkeypatch
):
    journal_directory.write(login(1), CRON)
    monkeypatch.setattr(module.time, "time", lambda: 4_102_444_800.0)
    reader = start(backfill_hours=24)
    assert reader.drain() == 0
    monkeypatch.undo()
    monkeypatch.setattr(module, "current_boot_id", lambda: BOOT)
    journal_directory.write(login(2))
    reader.drain()
    assert ports(spool) == [2]


def test_files_of_an_older_boot_that_appear_late_are_read_once(
    reader, start, spool, journal_directory, monkeypatch
):
    """A file system that was mounted late, or a journal that was brought back."""
    journal_directory.write(login(1), boot=SECOND)
    journal_directory.rotate("system@1.journal")
    late = journal_directory.path / "system@1.journal"
    late.rename(journal_directory.path / "elsewhere")
    journal_directory.clock += YEAR
    journal_directory.write(login(2))
    reader.drain()
    assert ports(spool) == [2]
    (journal_directory.path / "elsewhere").rename(late)
    assert reader.drain() == 0, "it looks every half an hour"
    monkeypatch.setattr(module, "_ANCHOR_SECONDS", -1.0)
    assert reader.drain() == 1
    assert ports(spool) == [1]
    for again in (reader, start()):
        assert again.drain() == 0
    journal_directory.write(login(3))
    reader.drain()
    assert ports(spool) == [3]


def test_files_that_were_away_are_read_to_their_end_when_they_are_back(
    start, spool, journal_directory, boot
):
    journal_directory.write(login(1))
    start().drain()
    journal_directory.write(login(2))
    away = journal_directory.path / "system@1.journal"
    journal_directory.rotate(away.name)
    away.rename(journal_directory.path / "elsewhere")
    boot(SECOND)
    journal_directory.write(login(3), boot=SECOND)
    start().drain()
    assert ports(spool) == [1, "journal_gap", 3]
    (journal_directory.path / "elsewhere").rename(away)
    start().drain()
    # What was delivered before is known to the collector by its event_id.
    assert ports(spool) == [1, 2]


def test_a_boot_that_ended_before_any_of_it_was_read_is_read(
    start, spool, journal_directory, boot, monkeypatch
):
    """The agent was killed right after it had looked which boots there are."""
    journal_directory.write(login(1))
    start().drain()
    journal_directory.write(login(2), boot=SECOND)
    boot(SECOND)
    killed = start()

    def kill(_):
        raise StoppedError

    monkeypatch.setattr(killed._journal, "boot", kill)
    with pytest.raises(StoppedError):
        killed.drain()
    journal_directory.write(login(3), boot=THIRD)
    boot(THIRD)
    start().drain()
    assert ports(spool) == [1, 2, 3]


def test_a_crash_between_two_boots_loses_neither(start, spool, journal_directory, boot):
    journal_directory.write(login(1))
    start().drain()
    journal_directory.rotate("system@1.journal")
    journal_directory.clock -= YEAR
    journal_directory.write(login(2), boot=SECOND)
    journal_directory.rotate("system@2.journal")
    journal_directory.clock += 2 * YEAR
    journal_directory.write(login(3), boot=THIRD)
    boot(THIRD)
    transaction = spool._transaction
    for commits in range(20):
        left = iter(range(commits))

        def die_after_some(left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return transaction()

        spool._transaction = transaction
        reader = start()
        spool._transaction = die_after_some
        try:
            reader.drain()
            break
        except KeyboardInterrupt:
            continue
    assert commits == 3
    spool._transaction = transaction
    assert sorted(ports(spool)) == [1, 2, 3]


# The journal moves to another place


def copy_journal(directory, name):
    """Write the journal's entries into another file and remove the rest."""
    exported = subprocess.run(
        ["journalctl", "--output=export", *directory.source], capture_output=True, check=True
    )
    shutil.rmtree(directory.path)
    directory.path.mkdir()
    subprocess.run(
        ["/lib/systemd/systemd-journal-remote", "-o", str(directory.path / name), "-"],
        input=exported.stdout,
        capture_output=True,
        check=True,
    )


@pytest.mark.parametrize("last", [login(1), CRON], ids=["an entry of ours", "another"])
def test_a_journal_that_is_flushed_to_disk_is_no_gap(
    reader, spool, journal_directory, monkeypatch, last
):
    """journalctl --flush copies the entries of /run to /var: they have other numbers there."""
    monkeypatch.setattr(module, "_ANCHOR_SECONDS", -1.0)
    journal_directory.write(login(1), last)
    reader.drain()
    reader.drain()
    take(spool)
    journal_directory.write(login(2))
    copy_journal(journal_directory, "system.journal")
    reader.drain()
    assert ports(spool) == [2]
