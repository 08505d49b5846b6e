"""What goes wrong with journals out there, done to real journal files."""

import json
import re
import shutil
import sqlite3
import subprocess
import time

import pytest

from watchtower_agent import journal as journal_module
from watchtower_agent import reader as module
from watchtower_agent.journal import Journal
from watchtower_agent.parse import Parser
from watchtower_agent.reader import JournalReader
from watchtower_agent.spool import FILE_NAME, Spool

BOOT, SECOND, THIRD, FOURTH = ("b0" * 16, "b1" * 16, "b2" * 16, "b3" * 16)
CRON = {"MESSAGE": "job", "SYSLOG_IDENTIFIER": "cron", "_COMM": "cron"}
SSHD = {
    "_EXE": "/usr/sbin/sshd",
    "_HOSTNAME": "web-1",
    "_PID": "4242",
    "_SYSTEMD_UNIT": "ssh.service",
    "_TRANSPORT": "syslog",
    "_UID": "0",
}
ALL_HISTORY = 24 * 365 * 50
YEAR = 365 * 86_400 * 1_000_000


def login(number):
    return f"Accepted password for user{number} from 192.0.2.1 port {number} ssh2"


@pytest.fixture
def boot(monkeypatch):
    """Choose which boot is the running one."""

    def choose(boot_id):
        monkeypatch.setattr(module, "current_boot_id", lambda: boot_id)

    choose(BOOT)
    return choose


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path, 100_000_000)
    yield spool
    spool.close()


@pytest.fixture
def start(journal_directory, spool, stop, boot):
    """Start a reader: as a new process would, on the same spool."""

    def reader(backfill_hours=ALL_HISTORY):
        journal = Journal(stop, journal_directory.source)
        return JournalReader(journal, spool, Parser(), backfill_hours, stop)

    return reader


@pytest.fixture
def reader(start):
    return start()


def take(spool):
    """Return the events in the spool and empty it, as if they were delivered."""
    batch = spool.batch(10_000, 100_000_000)
    spool.settle([event.seq for event in batch], [])
    return [json.loads(event.body) for event in batch]


def ports(spool):
    return [event.get("source_port", event["type"]) for event in take(spool)]


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
    journal_directory.write(login(1))
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

        spool._transaction = die_after_some
        try:
            start().drain()
            break
        except KeyboardInterrupt:
            continue
    assert commits == 3
    spool._transaction = transaction
    assert sorted(ports(spool)) == [1, 2, 3]


# The position, or the journal, is gone


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


def test_a_gap_has_two_ends(reader, spool, journal_directory):
    journal_directory.write(login(1))
    reader.drain()
    journal_directory.write(login(2))
    (journal_directory.path / "system.journal").unlink()
    journal_directory.write(CRON, login(3))
    reader.drain()
    first, gap, _ = take(spool)
    assert (gap["type"], gap["reason"]) == ("journal_gap", "entries_vanished")
    assert gap["gap_since"] == first["timestamp"]
    assert gap["gap_until"] == "2025-11-23T12:00:03.000000Z"


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
    reader = start()
    reader._spool = after_the_reboot
    reader.drain()
    first, second, gap, fourth = take(after_the_reboot)
    assert [event["source_port"] for event in (first, second, fourth)] == [1, 2, 4]
    assert gap["type"] == "journal_gap"
    assert (gap["gap_since"], gap["gap_until"]) == (second["timestamp"], fourth["timestamp"])
    after_the_reboot.close()


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
        f'  *--since*) journalctl "$@" | head -n 2; : > {tmp_path}/died; kill -9 $$ ;;\n'
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


def test_a_spool_without_a_usable_position_is_set_aside(start, spool, journal_directory, tmp_path):
    journal_directory.write(login(1))
    start().drain()
    spool.close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("UPDATE state SET value = '{\"cursor\": 1}' WHERE name = 'position'")
    connection.commit()
    connection.close()
    again = Spool(tmp_path, 100_000_000)
    reader = start()
    reader._spool = again
    reader.drain()
    gap, event = take(again)
    assert (gap["type"], gap["reason"]) == ("journal_gap", "spool_damaged")
    assert event["source_port"] == 1
    again.close()
