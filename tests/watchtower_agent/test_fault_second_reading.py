"""What goes wrong while the journal is read a second time, done to real journal files."""

import logging
import random
import time

import pytest
from logins import BOOT, SECOND, THIRD, login, ports, take

from watchtower_agent import second_reading as module
from watchtower_agent.restored import LookBack, Restored

DAY, YEAR = 86_400, 365 * 86_400
NOW = int(time.time())  # seconds since 1970
FIRST, ANOTHER = "1" * 32, "2" * 32


@pytest.fixture
def heard(start, spool, read_again):
    """A function that reads all, has it acknowledged and lost, and returns the reader."""

    def read(since=NOW):
        reader = start()
        reader.drain()
        take(spool)
        spool.hear_of_restore(Restored(FIRST, since))
        return reader

    return read


@pytest.fixture
def again(heard, spool, read_again):
    """A function that does so, and returns what comes again."""

    def read(since=NOW - 30 * DAY):
        read_again(heard(since))
        return ports(spool)

    return read


# A clock that is wrong


@pytest.mark.parametrize("back", [8, 600, 3_600])
@pytest.mark.parametrize("file", ["system.journal", "user-1000.journal"])
def test_a_clock_that_was_set_back_neither_loops_nor_skips(
    again, journal_directory, monkeypatch, back, file
):
    """Each file numbers its entries by itself, so that they have no order but by time."""
    monkeypatch.setattr(module, "PIECE_ENTRIES", 3)
    journal_directory.clock = (NOW - 7_200) * 1_000_000
    journal_directory.write(*map(login, range(1, 11)))
    journal_directory.rotate("system@1.journal")
    journal_directory.clock -= back * 1_000_000
    journal_directory.write(*map(login, range(11, 21)), file=file)
    assert again() == list(range(1, 21))


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_clock_did_each_entry_comes_again_once(
    again, journal_directory, monkeypatch, boot, seed
):
    monkeypatch.setattr(module, "PIECE_ENTRIES", 3)
    chance = random.Random(seed)
    journal_directory.clock = (NOW - DAY) * 1_000_000
    last = 0
    for boot_id in (BOOT, SECOND, THIRD):
        journal_directory.monotonic = 1_000_000
        for file in chance.sample(["system.journal", "user-1000.journal", "system.journal"], 3):
            first, last = last + 1, last + chance.randint(1, 6)
            journal_directory.write(*map(login, range(first, last + 1)), boot=boot_id, file=file)
            journal_directory.clock += chance.choice([-600, -8, 0, 600]) * 1_000_000
            if file == "system.journal" and chance.random() < 0.3:
                journal_directory.rotate(f"system@{last}.journal")
    boot(THIRD)
    assert sorted(again()) == list(range(1, last + 1))


def test_what_was_logged_before_the_clock_was_set_right_is_not_taken_for_old(
    again, journal_directory
):
    """A host without a clock of its own begins in 1970, until it has heard what time it is."""
    journal_directory.clock = 1_000_000
    journal_directory.write(login(1))
    journal_directory.clock = (NOW - 60) * 1_000_000
    journal_directory.write(login(2))
    assert again(NOW) == [1, 2]


def test_what_was_logged_before_the_clock_was_set_back_by_mistake_is_not_taken_for_old(
    again, journal_directory
):
    journal_directory.clock = (NOW - 60) * 1_000_000
    journal_directory.write(login(1))
    journal_directory.clock -= YEAR * 1_000_000
    journal_directory.write(*map(login, range(2, 5)))
    assert again(NOW) == [1, 2, 3, 4]


def test_entries_that_were_written_at_once_come_again_before_the_piece_ends(
    again, journal_directory, monkeypatch
):
    """In two files they have no order, and of a piece that ended between them one were lost."""
    monkeypatch.setattr(module, "PIECE_ENTRIES", 1)
    journal_directory.clock = NOW * 1_000_000
    for number in range(1, 9):
        journal_directory.write(login(number), file=f"user-{number % 4}.journal")
        if number % 4:
            journal_directory.let_pass(-1)
    assert sorted(again()) == list(range(1, 9))


# Files that come and go


def test_what_a_renamed_file_hid_comes_again(
    heard, spool, journal_directory, read_again, monkeypatch
):
    """While journalctl looks for files, one that is renamed just then can escape it."""
    journal_directory.clock = (NOW - 60) * 1_000_000
    for number in (1, 2):
        journal_directory.write(login(number))
        journal_directory.rotate(f"system@{number}.journal")
    journal_directory.write(login(3))
    reader = heard()
    hidden = journal_directory.path / "system@2.journal"
    away = journal_directory.path.parent / hidden.name
    journal = reader._second_reading._journal
    read = journal.again

    def rotated_meanwhile(*arguments):
        hidden.rename(away)
        yield from read(*arguments)
        away.rename(hidden)

    with monkeypatch.context() as patch:
        patch.setattr(journal, "again", rotated_meanwhile)
        reader._second_reading.step()
    assert ports(spool) == [1, 3]
    read_again(reader)
    assert ports(spool) == [1, 2, 3]


def test_a_place_that_was_vacuumed_meanwhile_ends_nothing(
    heard, spool, journal_directory, read_again, monkeypatch
):
    monkeypatch.setattr(module, "PIECE_ENTRIES", 2)
    journal_directory.clock = (NOW - 60) * 1_000_000
    journal_directory.write(*map(login, range(1, 4)))
    journal_directory.rotate("system@1.journal")
    journal_directory.write(*map(login, range(4, 7)))
    reader = heard()
    reader._second_reading.step()
    assert ports(spool) == [1, 2]
    (journal_directory.path / "system@1.journal").unlink()
    read_again(reader)
    assert ports(spool) == [4, 5, 6]


def test_a_corrupt_place_costs_no_entry(heard, spool, journal_directory, read_again):
    journal_directory.clock = (NOW - 60) * 1_000_000
    journal_directory.write(*map(login, range(1, 4)))
    reader = heard()
    corrupt = {"restore_id": FIRST, "since": (NOW - DAY) * 1_000_000}
    spool.add([], None, LookBack(**corrupt, boots=(BOOT,), cursor="s=nonsense"))
    read_again(reader)
    assert ports(spool) == [1, 2, 3]


# What fails


def test_its_failure_is_its_own(heard, spool, journal_directory, read_again, caplog):
    """The first reading goes on, and neither heartbeats nor the log fill with it."""
    journal_directory.clock = (NOW - 60) * 1_000_000
    journal_directory.write(login(1))
    reader = heard()
    second = reader._second_reading
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.INFO):
        patch.setattr("watchtower_agent.journalctl.PROGRAM", "/nonexistent")
        assert 590 < second.step() <= 600
        second._due_at = 0.0
        assert 590 < second.step() <= 600
    journal_directory.write(login(2))
    assert reader._drain_and_report() is not None
    assert reader.trouble.text == ""
    assert ports(spool) == [2]
    second._due_at = 0.0
    with caplog.at_level(logging.INFO):
        read_again(reader)
    assert ports(spool) == [1, 2]
    said = [record.message for record in caplog.records]
    for words in (
        "restored from a backup",
        "cannot be read again: journalctl cannot be started",
        "What the collector may have lost is read again.",
        "is in the spool again",
    ):
        assert [words in line for line in said].count(True) == 1


def zeros_around(file, text):
    content = bytearray(file.read_bytes())
    place = content.index(text)
    content[place - 2048 : place + 2048] = bytes(4096)
    file.write_bytes(content)


@pytest.mark.parametrize("size", [None, 100], ids=["in the middle", "ignored"])
def test_what_cannot_be_read_again_is_a_gap_of_its_own(
    heard, spool, journal_directory, read_again, size
):
    journal_directory.clock = (NOW - 600) * 1_000_000
    journal_directory.write(*map(login, range(1, 100)))
    journal_directory.rotate("system@1.journal")
    journal_directory.write(login(100))
    reader = heard()
    file = journal_directory.path / "system@1.journal"
    if size is None:
        zeros_around(file, login(50).encode())
    else:
        with file.open("r+b") as opened:
            opened.truncate(size)
    for restore_id, entries in ((FIRST, 1000), (ANOTHER, 10)):
        spool.hear_of_restore(Restored(restore_id, NOW))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "PIECE_ENTRIES", entries)
            read_again(reader)
        events = take(spool)
        (gap,) = [event for event in events if event["type"] == "journal_gap"]
        assert str(file) in gap["raw_message"]
        assert gap["gap_since"] < events[0]["timestamp"] < gap["gap_until"]
        assert 100 in [event.get("source_port") for event in events]
    reader._report_damage(spool.position())
    assert spool.depth() == 0, "the first reading has noticed nothing"


def test_damage_that_is_noticed_in_a_reading_that_fails_is_not_news(
    heard, spool, journal_directory, journalctl_script
):
    """The first reading would report it as damage of now."""
    journal_directory.clock = (NOW - 60) * 1_000_000
    journal_directory.write(login(1))
    reader = heard()
    journalctl_script(
        'case "$*" in\n'
        '*--lines=1*) echo "/x.journal: Bad message" >&2 ;;\n'
        "*--cursor=b=*) exit 1 ;;\n"
        '*) really "$@" ;;\n'
        "esac"
    )
    reader._second_reading.step()
    journalctl_script('really "$@"')
    assert reader._second_reading._trouble.text
    reader.drain()
    assert spool.depth() == 0


def test_damage_is_noticed_in_a_piece_that_ends_before_journalctl_does(
    heard, spool, journal_directory, journalctl_script, read_again
):
    journal_directory.clock = (NOW - 60) * 1_000_000
    journal_directory.write(*map(login, range(1, 7)))
    reader = heard()
    journalctl_script(
        'case "$*" in *--cursor=b=*) echo "/x.journal: Bad message" >&2 ;; esac; really "$@"'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PIECE_ENTRIES", 4)
        read_again(reader)
    assert ports(spool) == [1, 2, 3, 4, "journal_gap", 5, 6]
