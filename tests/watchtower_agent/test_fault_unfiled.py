"""An entry that journald was filing when it was killed: no filter finds it."""

import os
import struct
import time

import pytest
from journal_file import COUNT_AT, FIRST_ENTRY_AT, entries, item_format
from logins import CRON, SECOND, login, ports, take

from watchtower_agent.journal import Journal
from watchtower_agent.journalctl import JournalError
from watchtower_agent.restored import Restored


def unfile(file, kept):
    """Undo the filing of the last entry by its fields, but for the first ``kept`` of them.

    journald writes an entry as a whole, and then counts it where each of its fields is.
    """
    content = bytearray(file.read_bytes())
    *_, places = entries(content)
    for place in places[kept:]:
        (at,) = struct.unpack_from(item_format(content), content, place)
        (count,) = struct.unpack_from("<Q", content, at + COUNT_AT)
        struct.pack_into("<Q", content, at + COUNT_AT, count - 1)
        if count == 1:
            struct.pack_into("<Q", content, at + FIRST_ENTRY_AT, 0)
    file.write_bytes(content)


@pytest.fixture
def kill(journal_directory):
    """Have journald killed while it files the last entry, and another one find the file so."""

    def kill(number, file="system.journal", kept=0):
        path = journal_directory.path / file
        unfile(path, kept)
        path.rename(path.with_name(f"{path.stem}@{number}.journal~"))

    return kill


@pytest.fixture
def two_killed(journal_directory, kill):
    """A kill leaves all files unclean that were open."""
    journal_directory.write(login(1), login(2))
    journal_directory.write(login(3), login(4), file="user-1000.journal")
    kill(1)
    kill(2, "user-1000.journal")


@pytest.mark.parametrize("kept", range(12))
def test_however_far_journald_got_it_is_read(reader, spool, journal_directory, kill, kept):
    journal_directory.write(login(1))
    reader.drain()
    journal_directory.write(login(2))
    kill(1, kept=kept)
    journal_directory.write(login(3))
    reader.drain()
    assert sorted(ports(spool)) == [1, 2, 3]


def test_it_is_read_once(start, spool, journal_directory, kill):
    journal_directory.write(login(1), login(2))
    kill(1)
    journal_directory.write(login(3))
    reader = start()
    reader.drain()
    assert sorted(ports(spool)) == [1, 2, 3]
    reader.drain()
    start().drain()
    assert ports(spool) == []


@pytest.mark.usefixtures("two_killed")
def test_each_file_has_its_own(start, spool, journal_directory, kill, boot):
    start().drain()
    assert sorted(ports(spool)) == [1, 2, 3, 4]
    journal_directory.write(login(5), login(6), boot=SECOND)
    kill(3)
    boot(SECOND)
    start().drain()
    assert sorted(ports(spool)) == [5, 6]


def test_one_that_concerns_nobody_is_no_event(reader, spool, journal_directory, kill):
    journal_directory.write(login(1), CRON)
    kill(1)
    reader.drain()
    assert ports(spool) == [1]


def test_what_was_filed_is_not_sent_again(reader, spool, journal_directory):
    journal_directory.write(login(1), login(2))
    reader.drain()
    take(spool)
    journal_directory.rotate("system@1.journal~")
    journal_directory.write(login(3))
    reader.drain()
    assert ports(spool) == [3]


def test_a_new_agent_goes_back_as_far_as_it_is_told(start, spool, journal_directory, kill):
    journal_directory.clock = (int(time.time()) - 7_200) * 1_000_000
    journal_directory.write(login(1), login(2))
    kill(1)
    journal_directory.let_pass(5_400)
    journal_directory.write(login(3), login(4))
    kill(2)
    start(backfill_hours=1).drain()
    assert sorted(ports(spool)) == [3, 4]


def test_a_file_that_cannot_be_read_holds_nothing_up(reader, spool, journal_directory, kill):
    journal_directory.write(login(1), login(2))
    kill(1)
    os.truncate(journal_directory.path / "system@1.journal~", 100)
    journal_directory.write(login(3))
    reader.drain()
    assert ports(spool) == [3]


@pytest.mark.usefixtures("two_killed")
def test_a_file_at_which_journalctl_hangs_is_tried_at_each_start(
    start, spool, monkeypatch, caplog
):
    last_entry, tried = Journal.last_entry, []

    def hang(journal, file):
        tried.append(file)
        if "system@1" in file:
            raise JournalError("journalctl said nothing")
        return last_entry(journal, file)

    with monkeypatch.context() as hanging:
        hanging.setattr(Journal, "last_entry", hang)
        reader = start()
        reader.drain()
        reader.drain()
    assert len(tried) == 2
    assert sorted(ports(spool)) == [1, 3, 4]
    assert "system@1.journal~ cannot be read: journalctl said nothing" in caplog.text
    start().drain()
    assert ports(spool) == [2]


def test_after_a_restore_it_comes_again(start, spool, journal_directory, kill, read_again):
    journal_directory.clock = (int(time.time()) - 7_200) * 1_000_000
    journal_directory.write(login(1), login(2))
    kill(1)
    reader = start()
    reader.drain()
    take(spool)
    spool.hear_of_restore(Restored("1" * 32, time.time()))
    read_again(reader)
    reader.drain()
    assert sorted(ports(spool)) == [1, 2]


def test_one_that_is_damaged_is_a_gap(reader, spool, journal_directory, kill):
    message = f"={login(2)}".encode()
    journal_directory.write(login(1), login(2))
    journal_directory.damage(b"MESSAGE" + message, b"MESSAGE-" + message[1:])
    kill(1)
    reader.drain()
    assert sorted(map(str, ports(spool))) == ["1", "journal_gap"]


def test_the_journal_of_this_machine_alone_is_looked_through(tmp_path, stop, monkeypatch):
    """Folders of other machines, and of namespaces, lie beside it; journalctl passes them by."""
    here, place, machine = "e" * 32, tmp_path / "log", tmp_path / "machine-id"
    for name in (here, "f" * 32, f"{here}.test"):
        (place / name).mkdir(parents=True)
        for file in ("system@1.journal~", "system@2.journal", "system.journal", "x"):
            (place / name / file).touch()
    machine.write_text(f"{here}\n")
    monkeypatch.setattr("watchtower_agent.journal._PLACES", (tmp_path / "run", place))
    monkeypatch.setattr("watchtower_agent.journal._MACHINE_ID_FILE", machine)
    assert Journal(stop).unclean_files() == [place / here / "system@1.journal~"]
    machine.unlink()
    with pytest.raises(JournalError, match="machine-id cannot be read: No such file"):
        Journal(stop).unclean_files()
