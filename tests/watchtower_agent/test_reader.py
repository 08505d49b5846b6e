"""From real journal files into a real spool."""

import threading
import time

import pytest
from logins import ALL_HISTORY, BOOT, CRON, SECOND, login, ports, take

from watchtower_agent import reader as module
from watchtower_agent.event import format_timestamp
from watchtower_agent.host import Host, Labels
from watchtower_agent.journal import Journal, current_boot_id
from watchtower_agent.journalctl import JournalError
from watchtower_agent.parse import Parser
from watchtower_agent.reader import JournalReader
from watchtower_agent.spool import FILE_NAME, Position, Spool
from watchtower_agent.spool_file import SpoolError


def make_reader(directory, spool, stop, backfill_hours=ALL_HISTORY):
    parser = Parser(host=Host(labels=Labels(region="eu")))
    journal = Journal(stop, directory.source)
    return JournalReader(journal, spool, parser, backfill_hours, stop)


@pytest.fixture
def reader(journal_directory, spool, stop, boot):
    return make_reader(journal_directory, spool, stop)


def test_every_event_once_over_many_readings(reader, spool, journal_directory):
    journal_directory.write(login(1), "Server listening on :: port 22.", login(2))
    assert reader.drain() == 3
    assert ports(spool) == [1, 2]
    assert reader.drain() == 0
    journal_directory.write(CRON, login(3))
    assert reader.drain() == 1
    assert ports(spool) == [3]
    assert reader.drain() == 0


def test_more_entries_than_one_commit_takes(reader, spool, journal_directory):
    count = module.COMMIT_ENTRIES * 2 + 7
    journal_directory.write(*(login(number) for number in range(count)))
    assert reader.drain() == count
    assert ports(spool) == list(range(count))


def test_a_restart_goes_on_where_it_stopped(reader, spool, journal_directory, stop):
    journal_directory.write(login(1))
    reader.drain()
    journal_directory.write(login(2))
    again = make_reader(journal_directory, spool, stop)
    again.drain()
    assert ports(spool) == [1, 2]


def test_the_first_start_looks_back_as_far_as_told(spool, journal_directory, stop, boot):
    journal_directory.clock = int((time.time() - 7200) * 1_000_000)
    journal_directory.write(login(1))
    journal_directory.clock = int((time.time() - 600) * 1_000_000)
    journal_directory.write(login(2))
    make_reader(journal_directory, spool, stop, backfill_hours=1).drain()
    assert ports(spool) == [2]


def test_the_first_start_without_history_misses_nothing_from_then_on(
    spool, journal_directory, stop, boot
):
    journal_directory.write(login(1), CRON)
    reader = make_reader(journal_directory, spool, stop, backfill_hours=0)
    assert reader.drain() == 0
    journal_directory.write(login(2))
    assert reader.drain() == 1
    assert ports(spool) == [2]


def test_an_empty_journal_is_waited_for(reader, spool, journal_directory):
    assert reader.drain() == 0
    journal_directory.write(login(1))
    assert reader.drain() == 1
    assert ports(spool) == [1]


def test_across_a_reboot(reader, spool, journal_directory, boot):
    journal_directory.write(login(1))
    reader.drain()
    journal_directory.write(login(2))
    journal_directory.write(login(3), boot=SECOND)
    boot(SECOND)
    assert reader.drain() == 2
    assert ports(spool) == [1, 2, 3]
    assert reader.drain() == 0
    assert spool.position().boot_id == SECOND


def test_across_a_reboot_with_the_clock_set_back(reader, spool, journal_directory, boot):
    """A new journal file with earlier times: by the clock it stands before the position."""
    journal_directory.write(login(1))
    reader.drain()
    journal_directory.write(login(2))
    journal_directory.rotate("system@1.journal")
    journal_directory.clock -= 10**12
    journal_directory.write(login(3), boot=SECOND)
    boot(SECOND)
    reader.drain()
    assert ports(spool) == [1, 2, 3]
    journal_directory.write(login(4), boot=SECOND)
    reader.drain()
    assert ports(spool) == [4]


def test_a_reboot_without_a_word_of_sshd(reader, spool, journal_directory, boot):
    journal_directory.write(login(1))
    reader.drain()
    journal_directory.write(CRON, CRON, boot=SECOND)
    boot(SECOND)
    assert reader.drain() == 0
    assert spool.position().boot_id == SECOND
    journal_directory.write(login(2), boot=SECOND)
    reader.drain()
    assert ports(spool) == [1, 2]


def test_a_vacuumed_position_becomes_a_gap_with_two_ends(reader, spool, journal_directory):
    journal_directory.write(login(1))
    reader.drain()
    journal_directory.write(login(2))
    (journal_directory.path / "system.journal").unlink()
    journal_directory.write(CRON, login(3))
    reader.drain()
    first, gap, third = take(spool)
    assert (first["source_port"], third["source_port"]) == (1, 3)
    assert (gap["type"], gap["reason"]) == ("journal_gap", "entries_vanished")
    assert gap["gap_since"] == first["timestamp"]
    assert gap["gap_until"] == "2025-11-23T12:00:03.000000Z"
    assert gap["region"] == "eu"
    assert gap["timestamp"] == first["timestamp"]
    assert first["timestamp"] in gap["raw_message"]
    assert "2025-11-23T12:00:03.000000Z" in gap["raw_message"]
    assert reader.drain() == 0
    assert take(spool) == []


USERS = {"_UID": "1000", "_SYSTEMD_UNIT": "session-1.scope"}


@pytest.mark.parametrize("last", ["a login", "sudo", "what is not asked for"])
def test_what_users_wrote_hides_no_gap(reader, spool, journal_directory, monkeypatch, last):
    """Their entries are in other files, which are vacuumed later than the system's."""
    sudo = {"MESSAGE": "ran", "SYSLOG_IDENTIFIER": "sudo", "_COMM": "sudo", **USERS}
    journal_directory.write(login(1))
    journal_directory.write(sudo, file="user-1000.journal")
    if last == "a login":
        journal_directory.write(login(2))
    reader.drain()
    if last == "what is not asked for":
        journal_directory.write({**CRON, **USERS}, file="user-1000.journal")
        hidden = journal_directory.clock
        journal_directory.write({**CRON, **USERS}, file="user-1000.journal")
        monkeypatch.setattr(module, "_ANCHOR_SECONDS", -1.0)
        reader.drain()
        assert spool.position().realtime == hidden
    read_up_to = spool.position().realtime
    take(spool)
    journal_directory.write(login(3))
    (journal_directory.path / "system.journal").unlink()
    journal_directory.write(login(4))
    left = journal_directory.clock
    reader.drain()
    gap, fourth = (e for e in take(spool) if e["type"] in ("journal_gap", "login"))
    assert (gap["gap_since"], gap["gap_until"]) == tuple(map(format_timestamp, (read_up_to, left)))
    assert fourth["source_port"] == 4
    assert reader.drain() == 0
    assert take(spool) == []


def test_a_gap_before_a_silent_journal_is_reported_once(reader, spool, journal_directory):
    journal_directory.write(login(1))
    reader.drain()
    (journal_directory.path / "system.journal").unlink()
    journal_directory.write(CRON)
    for _ in range(3):
        reader.drain()
    assert ports(spool) == [1, "journal_gap"]


def test_the_vanished_journal_of_a_volatile_host_is_a_gap(reader, spool, journal_directory, boot):
    journal_directory.write(login(1))
    reader.drain()
    (journal_directory.path / "system.journal").unlink()
    journal_directory.write(login(2), boot=SECOND)
    boot(SECOND)
    reader.drain()
    assert ports(spool) == [1, "journal_gap", 2]


def test_the_gaps_id_is_the_same_when_it_is_found_twice(reader, spool, journal_directory):
    journal_directory.write(login(1))
    reader.drain()
    position = spool.position()
    (journal_directory.path / "system.journal").unlink()
    journal_directory.write(login(2))
    reader.drain()
    first = take(spool)
    spool.add([], position)  # as after a crash before the position was committed
    reader.drain()
    assert take(spool) == first[1:]


def test_a_corrupt_position_is_a_gap_and_loses_nothing(reader, spool, journal_directory):
    journal_directory.write(login(1), login(2))
    spool.add([], Position("garbage", BOOT, journal_directory.clock))
    reader.drain()
    assert ports(spool) == ["journal_gap", 1, 2]


def test_a_quiet_hosts_position_moves_on_before_it_is_vacuumed(
    reader, spool, journal_directory, monkeypatch
):
    monkeypatch.setattr(module, "_ANCHOR_SECONDS", -1.0)
    journal_directory.write(login(1))
    reader.drain()
    journal_directory.rotate("system@1.journal")
    journal_directory.write(CRON, CRON)
    reader.drain()
    (journal_directory.path / "system@1.journal").unlink()
    journal_directory.write(login(2))
    reader.drain()
    assert ports(spool) == [1, 2]


def test_a_damaged_spool_makes_the_journal_be_read_again(
    spool, journal_directory, stop, boot, tmp_path
):
    journal_directory.write(login(1), login(2))
    make_reader(journal_directory, spool, stop).drain()
    spool.close()
    (tmp_path / FILE_NAME).write_bytes(b"no database" * 1000)
    again = Spool(tmp_path, 100_000_000)
    make_reader(journal_directory, again, stop, backfill_hours=0).drain()
    gap, *logins = take(again)
    assert gap["type"] == "journal_gap"
    assert "damaged" in gap["raw_message"]
    assert [event["source_port"] for event in logins] == [1, 2]
    again.close()


def test_each_damage_is_a_gap_of_its_own(spool, journal_directory, stop, boot, tmp_path):
    journal_directory.write(login(1))
    spool.close()
    gaps = []
    for _ in range(2):
        (tmp_path / FILE_NAME).write_bytes(b"no database" * 1000)
        again = Spool(tmp_path, 100_000_000)
        for _ in range(2):
            make_reader(journal_directory, again, stop).drain()
            gaps.append(take(again)[0])
            # As after a crash before the position was committed.
            again._connection.execute("DELETE FROM state WHERE name = 'position'")
        again.close()
    assert {gap["type"] for gap in gaps} == {"journal_gap"}
    first, first_again, second, second_again = (gap["event_id"] for gap in gaps)
    assert first == first_again
    assert second == second_again
    assert first != second


def test_a_spool_that_cannot_be_written_moves_nothing(
    reader, spool, journal_directory, monkeypatch
):
    journal_directory.write(login(1))

    def full(*_):
        raise SpoolError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(spool, "add", full)
        with pytest.raises(SpoolError):
            reader.drain()
    assert reader.drain() == 1
    assert ports(spool) == [1]


def test_what_was_read_before_journalctl_failed_is_kept(
    reader, spool, journal_directory, monkeypatch
):
    journal_directory.write(login(1), login(2), login(3))
    entries = list(reader._journal.since(0))

    def failing(*_):
        yield from entries[:2]
        raise JournalError("Bad message")

    with monkeypatch.context() as patch:
        patch.setattr(reader._journal, "since", failing)
        with pytest.raises(JournalError):
            reader.drain()
    assert ports(spool) == [1, 2]
    reader.drain()
    assert ports(spool) == [3]


def test_one_impossible_entry_does_not_stop_the_others(
    reader, spool, journal_directory, sshd_fields
):
    beyond = sshd_fields(login(2), _SOURCE_REALTIME_TIMESTAMP="9" * 18)
    journal_directory.write(login(1), beyond, login(3))
    reader.drain()
    assert ports(spool) == [1, 3]


@pytest.fixture
def running(journal_directory, spool, stop):
    """A reader in its thread, on the running boot, which a real journalctl follows."""
    journal_directory.write("Server listening on :: port 22.", boot=current_boot_id())
    reader = make_reader(journal_directory, spool, stop)
    thread = threading.Thread(target=reader.run)
    thread.start()
    yield reader
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


def wait_for(spool, expected):
    seen = []
    deadline = time.monotonic() + 60
    while len(seen) < len(expected):
        assert time.monotonic() < deadline, seen
        spool.arrived.wait(1)
        spool.arrived.clear()
        seen += ports(spool)
    assert seen == expected


def test_news_are_read_when_they_come(running, spool, journal_directory):
    for number in range(1, 4):
        journal_directory.write(login(number), boot=current_boot_id())
        wait_for(spool, [number])


def write_now(journal_directory, number):
    journal_directory.write(login(number), boot=current_boot_id())


def test_news_are_read_even_if_the_follower_says_nothing(
    running, spool, journal_directory, monkeypatch
):
    monkeypatch.setattr(module, "_LAST_LOOK_SECONDS", 1.0)
    write_now(journal_directory, 1)
    wait_for(spool, [1])
    monkeypatch.setattr(running._doorbell, "wait", running._stop.wait)
    # The last ring may have come from before.
    time.sleep(3)
    write_now(journal_directory, 2)
    wait_for(spool, [2])


def test_a_follower_that_says_nothing_is_replaced(running, spool, journal_directory, monkeypatch):
    monkeypatch.setattr(module, "_LAST_LOOK_SECONDS", 1.0)
    monkeypatch.setattr(module, "_LATE_RING_SECONDS", 0.1)
    replaced = threading.Event()
    write_now(journal_directory, 1)
    wait_for(spool, [1])
    monkeypatch.setattr(running._doorbell, "wait", running._stop.wait)
    monkeypatch.setattr(running._doorbell, "replace", replaced.set)
    time.sleep(3)
    write_now(journal_directory, 2)
    assert replaced.wait(30)


def test_a_failure_is_said_once_and_so_is_its_end(
    reader, spool, journal_directory, monkeypatch, caplog
):
    caplog.set_level("INFO")

    def failing():
        raise JournalError("no permission")

    with monkeypatch.context() as patch:
        patch.setattr(reader, "drain", failing)
        for _ in range(3):
            assert reader._drain_and_report() is None
    assert reader._drain_and_report() == 0
    said = [record.message for record in caplog.records]
    assert len(said) == 2
    assert "no permission" in said[0]
    assert "read again" in said[1]
