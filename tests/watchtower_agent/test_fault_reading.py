"""Entries, files and filters that make a reading go wrong, on real journal files."""

import re
import time

import pytest
from logins import ALL_HISTORY, CRON, SECOND, login, ports, take

from watchtower_agent import journal as journal_module
from watchtower_agent import reader as module
from watchtower_agent.journal import Journal
from watchtower_agent.parse import Parser
from watchtower_agent.reader import JournalReader
from watchtower_agent.spool import Spool

SSHD = {
    "_EXE": "/usr/sbin/sshd",
    "_HOSTNAME": "web-1",
    "_PID": "4242",
    "_SYSTEMD_UNIT": "ssh.service",
    "_TRANSPORT": "syslog",
    "_UID": "0",
}


# The filter changes with an upgrade


@pytest.mark.parametrize("last", [login(2), CRON], ids=["an entry of both filters", "of neither"])
def test_an_upgrade_that_reads_more_begins_at_the_position(
    start, spool, journal_directory, monkeypatch, last
):
    def of_the_new_filter(number):
        names = {"SYSLOG_IDENTIFIER": "sshd-session", "_COMM": "sshd-session"}
        return {**SSHD, **names, "MESSAGE": login(number)}

    monkeypatch.setattr(module, "_ANCHOR_SECONDS", -1.0)
    with monkeypatch.context() as old_version:
        old_version.setattr(journal_module, "_CLAIMS", (("SYSLOG_IDENTIFIER=sshd",),))
        journal_directory.write(login(1), boot=SECOND)
        journal_directory.write(of_the_new_filter(7), login(1), of_the_new_filter(8), last)
        old = start()
        old.drain()
        old.drain()
        take(spool)
        # The first version did not note which boots it had seen.
        spool._connection.execute("DELETE FROM state WHERE name = 'boots'")
        journal_directory.write(of_the_new_filter(3), login(4))
    new = start()
    new.drain()
    assert ports(spool) == [3, 4]
    assert new.drain() == 0
    assert take(spool) == []


# While journalctl reads


def test_what_was_missed_while_it_was_written_is_read_the_next_time(
    reader, spool, journal_directory
):
    """journalctl looks at one file after the other; what comes meanwhile it sees in part."""
    journal_directory.write(login(1))
    reader.drain()
    reader._anchored_at = time.monotonic()
    journal_directory.monotonic = time.monotonic_ns() // 1000 + 600_000_000
    missed = journal_directory.monotonic
    journal_directory.monotonic += 1_000_000
    journal_directory.write(login(3), login(4), file="user-1000.journal")
    assert reader.drain() == 2
    assert reader.drain() == 0
    journal_directory.clock -= 3_000_000
    journal_directory.monotonic = missed
    journal_directory.write(login(2))
    assert reader.drain() == 1
    assert reader.drain() == 0
    assert ports(spool) == [1, 3, 4, 2]


def test_what_was_written_meanwhile_is_read_again_only_after_a_restart(
    start, spool, journal_directory
):
    journal_directory.write(login(1))
    reader = start()
    reader.drain()
    reader._anchored_at = time.monotonic()
    journal_directory.monotonic = time.monotonic_ns() // 1000 + 600_000_000
    journal_directory.write(login(2))
    assert [reader.drain() for _ in range(3)] == [1, 0, 0]
    assert start().drain() == 1
    assert ports(spool) == [1, 2], "by its event_id it is the same"


def test_a_horizon_that_is_never_reached_does_not_hold_the_position_for_ever(
    reader, spool, journal_directory, monkeypatch
):
    """The journal of a machine with another clock, for example."""
    monkeypatch.setattr("watchtower_agent.horizon._BEYOND_ENTRIES", 10)
    journal_directory.monotonic = time.monotonic_ns() // 1000 + 600_000_000
    for number in range(30):
        journal_directory.write(login(number))
        reader.drain()
    assert ports(spool) == list(range(30))
    assert len(reader._horizon._stored) <= 10


def test_what_a_renamed_file_hid_is_read_at_once(reader, spool, journal_directory, monkeypatch):
    """While journalctl looks for files, one that is renamed just then can escape it."""
    journal_directory.write(login(1))
    journal_directory.rotate("system@1.journal")
    reader.drain()
    journal_directory.write(login(2))
    journal_directory.rotate("system@2.journal")
    journal_directory.write(login(3))
    hidden = journal_directory.path / "system@2.journal"
    away = journal_directory.path.parent / hidden.name
    read = reader._journal.after

    def rotated_meanwhile(position):
        if hidden.exists():
            hidden.rename(away)
            yield from read(position)
            away.rename(hidden)
        monkeypatch.undo()

    monkeypatch.setattr(reader._journal, "after", rotated_meanwhile)
    assert reader.drain() == 2
    assert ports(spool) == [1, 3, 2]
    assert reader.drain() == 0


# Damaged files


def test_an_entry_that_cannot_be_read_is_stepped_over_and_reported(
    reader, spool, journal_directory
):
    journal_directory.write(login(1), login(2), login(3), login(4))
    journal_directory.damage(b"MESSAGE=Accepted password for user3", b"M SSAGE=" + b"x" * 27)
    assert reader.drain() == 4
    first, second, gap, fourth = take(spool)
    assert [event["source_port"] for event in (first, second, fourth)] == [1, 2, 4]
    assert (gap["type"], gap["reason"]) == ("journal_gap", "entries_vanished")
    assert gap["gap_since"] == second["timestamp"]
    assert gap["gap_until"] == "2025-11-23T12:00:03.000000Z"
    journal_directory.write(login(5))
    reader.drain()
    assert ports(spool) == [5]


def test_a_journalctl_that_is_killed_costs_no_entry(
    reader, spool, journal_directory, tmp_path, monkeypatch
):
    """By the kernel, for want of memory: it has failed, but not at an entry."""
    journal_directory.write(*(login(number) for number in range(1, 6)))
    dying = tmp_path / "journalctl"
    dying.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f'  *--cursor=t=*) journalctl "$@" | head -n 2; : > {tmp_path}/died; kill -9 $$ ;;\n'
        '  *) exec journalctl "$@" ;;\n'
        "esac\n"
    )
    dying.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr("watchtower_agent.journalctl.PROGRAM", str(dying))
        with pytest.raises(module.JournalError, match="-9"):
            reader.drain()
    assert (tmp_path / "died").exists()
    reader.drain()
    assert ports(spool) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("damaged", [range(1, 2), range(6, 7), range(1, 7), range(2, 5)])
def test_however_many_in_a_row_cannot_be_read(reader, spool, journal_directory, damaged):
    journal_directory.write(*(login(number) for number in range(1, 7)))
    for number in damaged:
        text = f"Accepted password for user{number} ".encode()
        journal_directory.damage(b"MESSAGE=" + text, b"M SSAGE=" + text)
    journal_directory.rotate("system@1.journal")
    journal_directory.write(*(login(number) for number in range(11, 31)))
    reader.drain()
    assert reader.drain() == 0
    seen = ports(spool)
    assert seen.count("journal_gap") == 1
    good = [number for number in range(1, 7) if number not in damaged]
    assert [port for port in seen if port != "journal_gap"] == [*good, *range(11, 31)]


def test_a_damaged_file_that_journalctl_leaves_out_in_silence_is_reported_once(
    reader, start, spool, journal_directory, caplog
):
    journal_directory.write(login(0))
    reader.drain()
    journal_directory.write(*(login(number) for number in range(1, 100)))
    journal_directory.rotate("system@1.journal")
    journal_directory.write(login(100))
    file = journal_directory.path / "system@1.journal"
    content = bytearray(file.read_bytes())
    place = content.index(login(50).encode())
    content[place - 2048 : place + 2048] = bytes(4096)
    file.write_bytes(content)
    reader.drain()
    events = take(spool)
    assert len(events) < 101
    assert events[-2]["source_port"] == 100
    gap = events[-1]
    assert (gap["type"], gap["reason"]) == ("journal_gap", "entries_vanished")
    assert str(file) in gap["raw_message"]
    assert gap["gap_since"] == events[0]["timestamp"]
    assert gap["gap_until"] == events[-2]["timestamp"]
    assert "journalctl --verify" in caplog.text
    reader.drain()
    assert take(spool) == []


def test_an_impossible_entry_at_the_end_is_passed(reader, spool, journal_directory, sshd_fields):
    beyond = sshd_fields(login(2), _SOURCE_REALTIME_TIMESTAMP="9" * 18)
    journal_directory.write(login(1), beyond)
    assert reader.drain() == 2
    assert reader.drain() == 0
    assert ports(spool) == [1]


def test_wherever_a_file_is_damaged_the_next_one_is_read(
    spool, stop, boot, journal_directory, tmp_path
):
    journal_directory.write(*(login(number) for number in range(30)))
    journal_directory.rotate("system@1.journal")
    journal_directory.write(login(99))
    file = journal_directory.path / "system@1.journal"
    whole = file.read_bytes()
    places = [match.start() for match in re.finditer(rb"[^\0]+", whole)]
    for number, place in enumerate(places[:: len(places) // 40]):
        content = bytearray(whole)
        content[place : place + 16] = b"\xff" * len(content[place : place + 16])
        file.write_bytes(content)
        folder = tmp_path / str(number)
        folder.mkdir()
        other = Spool(folder, 100_000_000)
        journal = Journal(stop, journal_directory.source)
        reader = JournalReader(journal, other, Parser(), ALL_HISTORY, stop)
        for _ in range(2):
            reader.drain()
        seen = ports(other)
        other.close()
        assert 99 in seen, place


# Fields as systemd's JSON spells them


def test_fields_that_are_long_binary_or_given_twice_become_events(
    reader, spool, journal_directory, sshd_fields
):
    line = "Failed password for invalid user {} from 192.0.2.1 port 4711 ssh2"
    journal_directory.write(
        sshd_fields(line.format("x" * 5000)),
        sshd_fields(line.format("\0").encode().replace(b"\0", b"\xff\xfe")),
        sshd_fields(login(3), SYSLOG_IDENTIFIER=["sshd", "sshd"]),
        sshd_fields(login(4), _UID=["0", "1000"]),
    )
    reader.drain()
    long, binary, twice, forged = take(spool)
    assert long["type"] == binary["type"] == "login_failed"
    assert "x" * 1000 in long["raw_message"]
    assert "\\xff\\xfe" in binary["raw_message"]
    assert (twice["type"], twice["source_port"]) == ("login", 3)
    assert forged["type"] == "untrusted", "what journald sets once is not believed twice"


def test_a_short_lived_process_without_a_unit_is_read(
    reader, spool, journal_directory, sshd_fields
):
    """journald looks the unit up after the message; the process may have ended by then."""
    gone = {"_SYSTEMD_UNIT": None}
    journal_directory.write(
        sshd_fields(login(1), **gone),
        sshd_fields(login(2), **gone, _COMM=None, _EXE=None),
        sshd_fields(login(3), _COMM=None, _EXE=None),
    )
    reader.drain()
    first, second, third = take(spool)
    assert (first["type"], first["source_port"]) == ("login", 1)
    assert second["type"] == "untrusted", "nothing confirms that it was sshd; it is kept, though"
    assert (third["type"], third["source_port"]) == ("login", 3)
