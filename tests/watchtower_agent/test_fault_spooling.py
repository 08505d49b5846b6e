"""A spool whose disk is full, read-only, torn or without power, on real file systems."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress

import pytest
from disks import Disk, as_root, small
from logins import login
from processes import IMPATIENT, SOURCE

from watchtower_agent.event import Event
from watchtower_agent.host import Host
from watchtower_agent.journal import Journal, current_boot_id
from watchtower_agent.parse import Parser
from watchtower_agent.reader import JournalReader
from watchtower_agent.spool import FILE_NAME, Position, Spool
from watchtower_agent.spool_file import DamagedSpoolError, SpoolError

BIG = 100_000_000


def event(number, text="x", event_type="login"):
    when = "2025-11-23T12:00:00.000000Z"
    return Event(event_type, when, "h", f"{number:032}", {"raw_message": text})


def position(number):
    return Position(f"s=1;i={number}", "b0" * 16, number)


def numbers(spool):
    return [int(json.loads(event.body)["event_id"]) for event in spool.batch(10**6, BIG)]


@pytest.fixture
def small_disk(tmp_path):
    with small(tmp_path / "disk", 2) as folder:
        yield folder


def fill(disk):
    """Leave no room, whoever else writes there meanwhile."""
    with suppress(OSError), (disk / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def make_room(disk):
    (disk / "ballast").unlink()


@pytest.fixture
def disk(tmp_path):
    disk = Disk(tmp_path, 16)
    yield disk
    disk.unmount()


# The disk is full


def test_a_disk_that_is_full_before_the_first_start_is_waited_out(small_disk):
    fill(small_disk)
    for _ in range(2):
        with pytest.raises(SpoolError, match="disk is not full"):
            Spool(small_disk, BIG)
    make_room(small_disk)
    spool = Spool(small_disk, BIG)
    assert spool.replaces() is None, "it is a first start still, and no damage"
    assert spool.add([event(1)], position(1)) == 1
    spool.close()


def test_a_disk_that_is_full_at_a_later_start_is_waited_out(small_disk):
    spool = Spool(small_disk, BIG)
    spool.add([event(number) for number in range(50)], position(50))
    spool.close()
    fill(small_disk)
    for _ in range(2):
        with pytest.raises(SpoolError, match="disk is not full"):
            Spool(small_disk, BIG).add([event(51)], position(51))
    make_room(small_disk)
    spool = Spool(small_disk, BIG)
    assert spool.replaces() is None
    assert spool.position() == position(50)
    assert numbers(spool) == list(range(50))
    spool.close()


COMMITS = {
    "events and position": lambda spool: spool.add([event(99, "y" * 9000)], position(99)),
    "position": lambda spool: spool.add([], position(99)),
    "boots": lambda spool: spool.know("boots", ["b1" * 16]),
    "delivered": lambda spool: spool.settle([spool.batch(1, BIG)[0].seq], []),
    "refused": lambda spool: spool.settle([], [(spool.batch(1, BIG)[0].seq, "bad" * 3000)]),
    "overflow": lambda spool: spool.report_overflow(Host("h")),
}


@pytest.mark.parametrize("commit", COMMITS.values(), ids=COMMITS)
def test_a_commit_without_room_changes_nothing_and_works_when_there_is(small_disk, commit):
    spool = Spool(small_disk, 40_000)
    spool.know("boots", ["b0" * 16])
    spool.add([event(number, "x" * 900) for number in range(45)], position(45))
    before = list(spool._connection.iterdump())
    size = spool._bytes
    # What the write-ahead log holds already could be written over without new room.
    spool._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    fill(small_disk)
    for _ in range(2):
        with pytest.raises(SpoolError):
            commit(spool)
        assert list(spool._connection.iterdump()) == before
        assert spool._bytes == size
    make_room(small_disk)
    commit(spool)
    assert list(spool._connection.iterdump()) != before
    spool.close()


# The disk is read-only, or broken


def test_a_read_only_disk_is_an_error_at_the_start(small_disk):
    spool = Spool(small_disk, BIG)
    spool.add([event(1)], position(1))
    spool.close()
    as_root("mount", "-o", "remount,ro", str(small_disk))
    with pytest.raises(SpoolError, match="read-only"):
        Spool(small_disk, BIG)
    as_root("mount", "-o", "remount,rw", str(small_disk))
    spool = Spool(small_disk, BIG)
    assert spool.replaces() is None
    assert numbers(spool) == [1]
    spool.close()


@pytest.mark.parametrize("defect", ["fail", "cut_power"])
def test_a_disk_that_breaks_while_in_use_moves_nothing(
    disk, defect, journal_directory, stop, monkeypatch
):
    monkeypatch.setattr("watchtower_agent.reader.current_boot_id", lambda: "b0" * 16)
    spool = Spool(disk.folder, BIG)
    journal = Journal(stop, journal_directory.source)
    reader = JournalReader(journal, spool, Parser(), 24 * 365 * 50, stop)
    journal_directory.write(login(1))
    reader.drain()
    reached = spool.position()
    getattr(disk, defect)()
    journal_directory.write(login(2))
    for _ in range(2):
        # What cannot be read looks damaged; that ends the agent, and it starts anew.
        with pytest.raises((SpoolError, DamagedSpoolError)):
            reader.drain()
        with pytest.raises((SpoolError, DamagedSpoolError)):
            spool.settle([1], [])
    spool.close()
    disk.repair()
    spool = Spool(disk.folder, BIG)
    assert spool.replaces() is None
    assert spool.position() == reached
    JournalReader(journal, spool, Parser(), 24 * 365 * 50, stop).drain()
    seen = [json.loads(event.body)["source_port"] for event in spool.batch(10, BIG)]
    assert seen == [1, 2]
    spool.close()


# The power fails


WRITER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from watchtower_agent.event import Event
    from watchtower_agent.spool import Position, Spool
    when = "2025-11-23T12:00:00.000000Z"
    spool = Spool(Path(sys.argv[1]), 10**8)
    last = spool.position()
    number = last.realtime if last else 0
    while True:
        events = [Event("login", when, "h", f"{number + k:032}") for k in range(1, 8)]
        number += 7
        spool.add(events, Position(f"s=1;i={number}", "b0" * 16, number))
        print(number, flush=True)
""")


def test_what_was_committed_survives_a_power_failure_with_its_position(disk):
    for cut in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(disk.folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": SOURCE},
        )
        for _ in range(5 + 10 * cut):
            committed = int(writer.stdout.readline())
        disk.cut_power()
        writer.stdout.read()
        writer.stdout.close()
        assert writer.wait() != 0
        disk.unmount()
        disk.mount()
        spool = Spool(disk.folder, BIG)
        reached = spool.position().realtime
        assert spool.replaces() is None
        assert reached >= committed
        assert numbers(spool) == list(range(1, reached + 1))
        spool.close()


# The file is torn


def use(spool):
    """Do all that an agent does with a spool; return what is in it."""
    spool.position()
    spool.known("boots")
    spool.add([event(number) for number in range(900, 910)], position(910))
    found = []
    while batch := spool.batch(50, 10_000):
        spool.report_overflow(Host("h"))
        found += [json.loads(event.body)["event_id"] for event in batch]
        json.dumps(found).encode("ascii")
        spool.settle([event.seq for event in batch[1:]], [(batch[0].seq, "bad")])
    assert spool.depth() == 0
    return found


def live(folder):
    """Use the spool as a process would that systemd starts anew when it ends in an error."""
    for _ in range(2):
        spool = Spool(folder, BIG)
        try:
            return use(spool), spool.replaces()
        except DamagedSpoolError:
            continue
        finally:
            spool.close()
    pytest.fail("it is damaged, and stays so")


@pytest.mark.parametrize("tear", ["zeros", "noise", "one byte"])
def test_a_spool_that_is_torn_anywhere_is_used_or_set_aside(tmp_path, tear, caplog):
    source = random.Random(tear)
    whole = tmp_path / "whole"
    whole.mkdir()
    spool = Spool(whole, BIG)
    spool.add([event(number, "x" * (number * 19 % 800)) for number in range(40)], position(40))
    spool.settle([], [(number, "refused") for number in range(1, 4)])
    spool.know("boots", ["b0" * 16])
    spool.close()
    content = (whole / FILE_NAME).read_bytes()
    fates = set()
    for sector in range(0, len(content), 512):
        torn = bytearray(content)
        if tear == "zeros":
            torn[sector : sector + 512] = bytes(512)
        elif tear == "noise":
            torn[sector : sector + 512] = source.randbytes(512)
        else:
            torn[sector + source.randrange(512)] ^= 0x80
        folder = tmp_path / str(sector)
        folder.mkdir()
        (folder / FILE_NAME).write_bytes(torn)
        found, aside = live(folder)
        fates.add(aside is None)
        # What was new is there, whatever became of the rest.
        assert set(found) >= {f"{number:032}" for number in range(900, 910)}, sector
        if aside is None and tear != "one byte":
            lost = {f"{number:032}" for number in range(3, 40)} - set(found)
            assert not lost or "dead letters" in caplog.text, sector
        caplog.clear()
        shutil.rmtree(folder)
    assert fates == {True, False}


def test_a_torn_log_of_the_spool_loses_events_and_position_together(tmp_path):
    whole = tmp_path / "whole"
    whole.mkdir()
    spool = Spool(whole, BIG)
    spool._connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
    for number in range(1, 31):
        spool.add([event(number)], position(number))
    log = (whole / f"{FILE_NAME}-wal").read_bytes()
    file = (whole / FILE_NAME).read_bytes()
    spool.close()
    for length in range(0, len(log), 1999):
        folder = tmp_path / str(length)
        folder.mkdir()
        (folder / FILE_NAME).write_bytes(file)
        (folder / f"{FILE_NAME}-wal").write_bytes(log[:length] + bytes(100))
        spool = Spool(folder, BIG)
        reached = spool.position()
        assert numbers(spool) == list(range(1, reached.realtime + 1 if reached else 1))
        spool.close()


def test_an_emptied_spool_is_not_taken_for_a_first_start(tmp_path, journal_directory, stop):
    Spool(tmp_path, BIG).close()
    (tmp_path / FILE_NAME).write_bytes(b"")
    spool = Spool(tmp_path, BIG)
    assert spool.replaces() is not None
    spool.close()


# The whole agent


def ports(stand_in):
    events = stand_in.stored.values()
    return [event["source_port"] for event in events if event["type"] == "login"]


def test_a_running_agent_waits_until_its_disk_has_room(
    agents, small_disk, journal_directory, stand_in
):
    journal_directory.clock = time.time_ns() // 1000 - 3_600_000_000
    journal_directory.write(login(1), boot=current_boot_id())
    process = agents.start(small_disk, journal_directory.source, IMPATIENT, subprocess.PIPE)
    stand_in.wait_until(lambda s: ports(s) == [1])
    fill(small_disk)
    journal_directory.write(
        *(f"Failed password for {'x' * 800} from 192.0.2.1 port 5 ssh2" for _ in range(50)),
        *(login(number) for number in range(2, 300)),
        boot=current_boot_id(),
    )
    for line in process.stderr:
        if "cannot be read on" in line:
            break
    assert process.poll() is None
    make_room(small_disk)
    stand_in.wait_until(lambda s: len(ports(s)) == 299, seconds=60)
    assert ports(stand_in) == list(range(1, 300))
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
