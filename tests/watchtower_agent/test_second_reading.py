"""After a restore of the collector, what it had acknowledged comes again out of the journal."""

import math
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
from watchtower_agent.journal import Journal
from watchtower_agent.parse import Parser
from watchtower_agent.reader import JournalReader
from watchtower_agent.restored import Restored
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
def steps(reader, read_again):
    """A function that reads a second time, to the end."""
    return lambda: read_again(reader)


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


@pytest.mark.usefixtures("read_again")
def test_it_is_read_in_pieces_and_goes_on_after_a_restart(
    start, spool, journal_directory, monkeypatch
):
    monkeypatch.setattr(module, "PIECE_ENTRIES", 3)
    journal_directory.write(*map(login, range(1, 5)), CRON, *map(login, range(5, 9)))
    start().drain()
    take(spool)
    spool.hear_of_restore(Restored(FIRST, NOW))
    found = []
    for count in (3, 3, 2):
        assert start()._second_reading.step() == 0.0
        found += ports(spool)
        assert len(found[-count:]) == count
    assert found == list(range(1, 9))
    assert start()._second_reading.step() == math.inf
    assert spool.depth() == 0


def test_a_reboot_in_between_is_no_end(reader, steps, spool, journal_directory, boot):
    journal_directory.write(login(1), login(2))
    journal_directory.write(login(3), boot=SECOND)
    boot(SECOND)
    reader.drain()
    take(spool)
    spool.hear_of_restore(Restored(FIRST, NOW))
    steps()
    assert sorted(ports(spool)) == [1, 2, 3]


def test_only_what_may_be_missing_is_read(reader, steps, spool, journal_directory):
    """Events may be stored a day after they were logged."""
    journal_directory.clock = (NOW - 4 * DAY) * 1_000_000
    for number, pause in ((1, DAY), (2, 2 * DAY - 60), (3, 120), (4, DAY - 120)):
        journal_directory.let_pass(pause)
        journal_directory.write(login(number))
    reader.drain()
    take(spool)
    spool.hear_of_restore(Restored(FIRST, NOW))
    steps()
    assert ports(spool) == [3, 4]


@pytest.mark.parametrize("backfill", [(0, []), (1, [2]), (ALL_HISTORY, [1, 2])])
def test_an_agent_never_reads_what_is_from_before_its_time(
    start, spool, journal_directory, read_again, backfill
):
    """What was there before the agent was left out at its first start, and stays so."""
    hours, found = backfill
    journal_directory.clock = (NOW - 7_200) * 1_000_000
    journal_directory.write(login(1))
    journal_directory.let_pass(6_600)
    journal_directory.write(login(2))
    reader = start(backfill_hours=hours)
    reader.drain()
    assert ports(spool) == found
    spool.hear_of_restore(Restored(FIRST, NOW - 100 * DAY))
    read_again(reader)
    assert ports(spool) == found


def test_nor_if_it_hears_of_a_restore_before_it_has_read_anything(
    start, spool, journal_directory, read_again
):
    """The first heartbeat can be answered before the reader has looked."""
    journal_directory.let_pass(-60)
    journal_directory.write(login(1))
    reader = start(backfill_hours=0)
    spool.hear_of_restore(Restored(FIRST, NOW - 100 * DAY))
    reader.drain()
    read_again(reader)
    assert ports(spool) == []


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


def test_it_begins_after_a_while_that_is_another_on_each_host(
    reader, spool, journal_directory, monkeypatch
):
    drawn = []

    def draw(low, high):
        drawn.append((low, high))
        return 200.0

    monkeypatch.setattr(module, "jitter", draw)
    journal_directory.write(login(1))
    reader.drain()
    take(spool)
    for restore_id in (FIRST, ANOTHER):
        spool.hear_of_restore(Restored(restore_id, NOW))
        for _ in range(2):
            assert 190 < reader._second_reading.step() <= 200
    assert drawn == [(0, 120.0), (0, 120.0)]
    assert spool.depth() == 0


def test_what_is_new_comes_first(start, spool, journal_directory, read_again, monkeypatch):
    """While much waits to be sent, nothing is read, and no journalctl is started."""
    monkeypatch.setattr(module, "_MOST_WAITING", 1)
    journal_directory.write(login(1), login(2))
    reader = start()
    reader.drain()
    position = spool.position()
    spool.hear_of_restore(Restored(FIRST, NOW))
    with monkeypatch.context() as patch:
        patch.setattr("watchtower_agent.journalctl.PROGRAM", "/nonexistent")
        assert reader._second_reading.step() == 0.0
    assert spool.look_back().boots is None
    assert ports(spool) == [1, 2]
    read_again(reader)
    assert ports(spool) == [1, 2]
    assert spool.position() == position, "the first reading goes on where it was"


@pytest.mark.usefixtures("read_again")
def test_waiting_for_the_spool_costs_no_reading(
    reader, spool, journal_directory, journalctl_script, tmp_path
):
    """As long as the collector is away."""
    started = tmp_path / "started"
    journalctl_script(f'echo >> {started}; really "$@"')
    journal_directory.write(*map(login, range(200)))
    reader.drain()
    spool.hear_of_restore(Restored(FIRST, NOW))
    step = reader._second_reading.step
    counts = []

    def count():
        counts.append(started.read_bytes().count(b"\n"))
        if len(counts) == 400:
            reader._stop.set()
        return step()

    reader._second_reading.step = count
    reader.run()
    assert spool.look_back().boots is None
    assert counts[-1] - counts[0] < 100


@pytest.mark.usefixtures("boot", "read_again")
def test_a_small_spool_gives_nothing_up_for_what_is_read_again(tmp_path, stop, journal_directory):
    folder = tmp_path / "small"
    folder.mkdir()
    spool = Spool(folder, 200_000)
    reader = JournalReader(
        Journal(stop, journal_directory.source), spool, Parser(), ALL_HISTORY, stop
    )
    for first in (0, 50):
        name = "x" * 3000
        journal_directory.write(
            *(
                f"Failed password for invalid user {name} from 192.0.2.1 port {number} ssh2"
                for number in range(first, first + 50)
            )
        )
        reader.drain()
        assert len(take(spool)) == 50
    spool.hear_of_restore(Restored(FIRST, NOW))
    found = []
    while reader._second_reading.step() == 0.0:
        found += take(spool)
    assert len({event["event_id"] for event in found}) == 100
    assert spool.counters.events_dropped == 0
    spool.close()


def test_the_daemons_thread_does_it_beside_its_work(
    reader, spool, journal_directory, monkeypatch, stop
):
    monkeypatch.setattr(module, "PIECE_ENTRIES", 1)
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(module, "_SPREAD_SECONDS", 0.0)
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
