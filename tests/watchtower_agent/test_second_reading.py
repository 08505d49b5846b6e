"""After a restore of the collector, what it had acknowledged comes again out of the journal."""

import sqlite3
import threading
import time
from contextlib import closing

import pytest
from logins import ALL_HISTORY, CRON, SECOND, login, ports, take
from real_collector import TOKEN
from real_collector import collector as real_collector

from watchtower_agent import second_reading as module
from watchtower_agent.collector import Collector
from watchtower_agent.heartbeat import Heartbeat
from watchtower_agent.host import Host
from watchtower_agent.restored import LookBack, Restored
from watchtower_agent.send import Sender
from watchtower_agent.spool import Spool
from watchtower_agent.trouble import Trouble
from watchtower_agent.vitals import Vitals
from watchtower_collector.backup import back_up
from watchtower_collector.restore import restore

DAY = 86_400
NOW = int(time.time())  # seconds since 1970
FIRST, ANOTHER = "1" * 32, "2" * 32


@pytest.fixture(autouse=True)
def of_now(journal_directory):
    """What is written is of now."""
    journal_directory.clock = NOW * 1_000_000


@pytest.fixture
def steps(reader):
    """A function that reads a second time, to the end, and returns how many pieces it took."""

    def take_all():
        count = 1
        while reader._second_reading.step():
            count += 1
        return count

    return take_all


@pytest.fixture
def database(tmp_path):
    """Where the collector's database is."""
    path = tmp_path / "collector" / "watchtower.db"
    path.parent.mkdir()
    return path


@pytest.fixture
def send(database, spool, tls, stop):
    """A function that starts the real collector and sends it what is in the spool.

    As often as it is told what to do before it sends again.
    """

    def send_all(*between):
        with real_collector(database.parent, tls / "server.pem") as url:
            collector = Collector(url, TOKEN, tls / "ca.pem", "1.2.3")
            vitals = Vitals("1.2.3", spool.counters, Trouble())
            sender = Sender(spool, collector, Heartbeat(Host("web-1"), vitals, 0.0), stop)
            for do_before in (lambda: None, *between):
                do_before()
                assert sender.step() == 0
                while spool.depth():
                    assert sender.step() == 0
            collector.close()

    return send_all


def stored_ports(database):
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT source_port FROM events WHERE type = 'login' ORDER BY 1")
        return [port for (port,) in rows]


def test_what_a_restore_has_lost_is_stored_again_and_once(
    reader, steps, send, journal_directory, database
):
    """With the real collector, a real backup, and a real restore."""

    def bring(*numbers):
        journal_directory.write(*map(login, numbers))
        reader.drain()
        send(steps)

    bring(1, 2)
    backup = back_up(database, database.parent / "backups").path
    bring(3, 4)
    assert stored_ports(database) == [1, 2, 3, 4]
    restore(backup, database, lose_newer=True)
    assert stored_ports(database) == [1, 2]
    bring(5)
    assert stored_ports(database) == [1, 2, 3, 4, 5]
    bring(6)
    assert stored_ports(database) == [1, 2, 3, 4, 5, 6]


def test_it_is_read_in_pieces_and_goes_on_after_a_restart(
    start, spool, journal_directory, monkeypatch
):
    monkeypatch.setattr(module, "PIECE_ENTRIES", 3)
    journal_directory.write(*map(login, range(1, 5)), CRON, *map(login, range(5, 9)))
    start().drain()
    take(spool)
    spool.hear_of_restore(Restored(FIRST, NOW))
    found = []
    for left in (True, True, False):
        assert start()._second_reading.step() == left
        found += ports(spool)
    assert found == list(range(1, 9))
    assert not start()._second_reading.step()
    assert spool.depth() == 0


def test_a_reboot_in_between_is_no_end(reader, steps, spool, journal_directory, boot):
    journal_directory.write(login(1), login(2))
    journal_directory.write(login(3), boot=SECOND)
    boot(SECOND)
    reader.drain()
    take(spool)
    spool.hear_of_restore(Restored(FIRST, NOW))
    steps()
    assert ports(spool) == [1, 2, 3]


def test_what_is_new_comes_first(reader, spool, journal_directory, monkeypatch):
    monkeypatch.setattr(module, "_SPOOL_HAS_ROOM", 1)
    journal_directory.write(login(1), login(2))
    reader.drain()
    position = spool.position()
    spool.hear_of_restore(Restored(FIRST, NOW))
    assert reader._second_reading.step(), "it waits until the spool has been sent"
    assert spool.look_back().cursor is None
    assert ports(spool) == [1, 2]
    assert not reader._second_reading.step()
    assert ports(spool) == [1, 2]
    assert spool.position() == position, "the first reading goes on where it was"


def test_only_what_may_be_missing_is_read(reader, steps, spool, journal_directory):
    """Events may be stored a day after they were logged."""
    for number, age in ((1, 3 * DAY), (2, DAY + 60), (3, DAY - 60), (4, 60)):
        journal_directory.clock = (NOW - age) * 1_000_000
        journal_directory.write(login(number))
    reader.drain()
    take(spool)
    spool.hear_of_restore(Restored(FIRST, NOW))
    steps()
    assert ports(spool) == [3, 4]


@pytest.mark.parametrize(("hours", "found"), [(0, []), (1, [2]), (ALL_HISTORY, [1, 2])])
def test_an_agent_never_reads_what_is_from_before_its_time(
    start, spool, journal_directory, hours, found
):
    """What was there before the agent was left out at its first start, and stays so."""
    for number, age in ((1, 7_200), (2, 600)):
        journal_directory.clock = (NOW - age) * 1_000_000
        journal_directory.write(login(number))
    reader = start(backfill_hours=hours)
    reader.drain()
    assert ports(spool) == found
    spool.hear_of_restore(Restored(FIRST, NOW - 100 * DAY))
    assert not reader._second_reading.step()
    assert ports(spool) == found


def test_a_restore_is_heard_of_once(reader, steps, spool, journal_directory):
    journal_directory.write(login(1))
    reader.drain()
    assert ports(spool) == [1]
    for restore_id, found in ((FIRST, [1]), (FIRST, []), (ANOTHER, [1])):
        spool.hear_of_restore(Restored(restore_id, NOW))
        steps()
        assert ports(spool) == found


def test_the_spool_of_an_earlier_version_is_read_as_far_as_may_be_missing(
    reader, steps, spool, journal_directory
):
    journal_directory.write(login(1))
    reader.drain()
    take(spool)
    spool._connection.execute("DELETE FROM state WHERE name = 'began_at'")
    spool.hear_of_restore(Restored(FIRST, NOW))
    steps()
    assert ports(spool) == [1]


@pytest.mark.parametrize("value", ["", "x", "{}", '{"restore_id": 1, "since": 1}', "[]"])
def test_a_memory_that_makes_no_sense_is_damage(tmp_path, value):
    spool = Spool(tmp_path, 100_000_000)
    spool._connection.execute("INSERT INTO state VALUES ('look_back', ?)", (value,))
    spool.close()
    spool = Spool(tmp_path, 100_000_000)
    assert spool.replaces() is not None
    spool.close()


def test_the_daemons_thread_does_it_beside_its_work(
    reader, spool, journal_directory, monkeypatch, stop
):
    monkeypatch.setattr(module, "PIECE_ENTRIES", 1)
    monkeypatch.setattr("watchtower_agent.reader.PAUSE_SECONDS", 0.01)
    journal_directory.write(*map(login, range(1, 4)))
    reader.drain()
    take(spool)
    spool.hear_of_restore(Restored(FIRST, NOW))
    thread = threading.Thread(target=reader.run)
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not spool.look_back().is_over:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        journal_directory.write(login(4))
        while spool.depth() < 4:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        stop.set()
        thread.join(30)
    assert ports(spool) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("header", "missing_since"),
    [
        (f"{FIRST} 1970-01-02T00:00:00.500000Z", DAY + 0.5),
        (f"{FIRST} 1970-01-02T00:00:00Z", None),
        (f"{FIRST} soon", None),
        (f"{FIRST}", None),
        ("1 1970-01-02T00:00:00.000000Z", None),
        (f"{FIRST} {'9' * 50}", None),
        (f"{FIRST} 0000-01-02T00:00:00.000000Z", None),
        ("", None),
        (None, None),
    ],
)
def test_the_collectors_word_is_read_or_ignored(header, missing_since):
    expected = None if missing_since is None else Restored(FIRST, missing_since)
    assert Restored.read(header) == expected


def test_what_is_missing_since_ever_is_looked_for_from_the_beginning():
    assert LookBack.begin(Restored(FIRST, 0.0), 0) == LookBack(FIRST, 1)
