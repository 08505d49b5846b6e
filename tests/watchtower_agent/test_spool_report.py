"""Looking into a spool must leave it as it is: each file, its owner, its mode, its bytes."""

import json
import os
import sqlite3
import subprocess
import sys
import uuid

import pytest
from processes import SOURCE

from watchtower_agent.clock import read_timestamp
from watchtower_agent.event import Event
from watchtower_agent.host import Host
from watchtower_agent.spool import Position, Spool
from watchtower_agent.spool_file import DamagedSpoolError, NewerSpoolError, SpoolError
from watchtower_agent.spool_report import MissingSpoolError, read_spool

NOON = "2025-11-23T12:00:00.000000Z"
POSITION = Position("s=1;i=2", "b" * 32, 1_763_899_200_000_000)
# Another process writes into a spool and dies, or waits to be looked at.
WRITER = """
import os, sys
from pathlib import Path
from watchtower_agent.event import Event
from watchtower_agent.spool import Spool
spool = Spool(Path(sys.argv[1]), 10**7)
for number in range(50):
    spool.add([Event("login", "2025-11-23T12:00:00.000000Z", "h", f"{number:032x}")], None)
print("ready", flush=True)
sys.stdin.read(1)
os.abort() if sys.argv[2] == "die" else spool.close()
"""


def login(timestamp=NOON):
    return Event("login", timestamp, "h", uuid.uuid4().hex, {"raw_message": "x" * 500})


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path, 20_000)
    yield spool
    spool.close()


def snapshot(directory):
    """Return all that could change about a folder's files but the index of shared memory."""
    files = {}
    for path in sorted(directory.iterdir()):
        status = path.stat()
        content = b"" if path.name.endswith("-shm") else path.read_bytes()
        files[path.name] = (status.st_uid, status.st_gid, status.st_mode, content)
    return files


@pytest.fixture
def writer(tmp_path):
    started = []

    def start(then):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), then],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": SOURCE},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_all_that_it_tells(spool, tmp_path):
    spool.add([login("2025-11-23T11:00:00.500000Z"), login(), login()], POSITION)
    (first, second) = spool.batch(2, 10_000)
    spool.settle([first.seq], [(second.seq, "bad field")])
    report = read_spool(tmp_path)
    assert report.position == POSITION
    assert report.waiting == 1
    assert report.oldest_at == read_timestamp(NOON)
    assert 500 < report.size < 2000
    assert (report.dead_letters, report.refusal) == (1, "bad field")
    assert report.refused_at is not None
    assert report.dropped == 0


def test_an_empty_one(spool, tmp_path):
    report = read_spool(tmp_path)
    assert (report.position, report.waiting, report.size) == (None, 0, 0)
    assert (report.oldest_at, report.refused_at, report.dead_letters) == (None, None, 0)


def test_dropped_events_are_told_until_the_collector_knows(spool, tmp_path):
    spool.add([login() for _ in range(100)], None)
    dropped = 100 - spool.depth()
    assert read_spool(tmp_path).dropped == dropped
    assert spool.report_overflow(Host("h"))
    assert read_spool(tmp_path).dropped == dropped
    while batch := spool.batch(100, 10**6):
        spool.settle([event.seq for event in batch], [])
    assert read_spool(tmp_path).dropped == 0


def test_beside_a_running_agent_nothing_changes_and_nobody_waits(writer, tmp_path):
    process = writer("close")
    before = snapshot(tmp_path)
    assert set(before) == {"spool.db", "spool.db-wal", "spool.db-shm"}
    assert read_spool(tmp_path, thorough=True).waiting == 50
    assert snapshot(tmp_path) == before
    process.communicate("x", timeout=30)
    assert process.returncode == 0


def test_after_a_crash_what_was_committed_is_seen_and_left_as_it_is(writer, tmp_path):
    process = writer("die")
    process.communicate("x", timeout=30)
    assert process.returncode < 0
    before = snapshot(tmp_path)
    assert len(before["spool.db-wal"][3]) > 0
    assert read_spool(tmp_path, thorough=True).waiting == 50
    assert snapshot(tmp_path) == before


def test_after_a_proper_end_no_file_is_made(writer, tmp_path):
    process = writer("close")
    process.communicate("x", timeout=30)
    before = snapshot(tmp_path)
    assert set(before) == {"spool.db"}
    assert read_spool(tmp_path).waiting == 50
    assert snapshot(tmp_path) == before


def test_a_read_only_file_system_is_read(writer, tmp_path):
    writer("close").communicate("x", timeout=30)
    tmp_path.chmod(0o500)
    (tmp_path / "spool.db").chmod(0o400)
    try:
        assert read_spool(tmp_path).waiting == 50
    finally:
        tmp_path.chmod(0o700)


def test_the_writer_can_go_on_while_it_is_read(spool, tmp_path):
    spool.add([login()], None)
    reader = sqlite3.connect(f"file:{tmp_path / 'spool.db'}?mode=ro", uri=True)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM events").fetchone() == (1,)
    spool.add([login()], None)
    assert spool.depth() == 2
    reader.close()


def test_a_missing_one(tmp_path):
    with pytest.raises(MissingSpoolError, match="there is no spool"):
        read_spool(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_only_just_being_made(tmp_path):
    with sqlite3.connect(tmp_path / "spool.db") as being_made:
        being_made.execute("PRAGMA journal_mode = WAL")
    with pytest.raises(MissingSpoolError, match="only just"):
        read_spool(tmp_path)
    being_made.close()


def test_one_that_was_emptied(tmp_path):
    (tmp_path / "spool.db").touch()
    with pytest.raises(DamagedSpoolError, match="empty"):
        read_spool(tmp_path)


def test_a_byte_of_damage_in_a_text_is_not_the_end(spool, tmp_path):
    spool.add([login()], None)
    (event,) = spool.batch(1, 1)
    spool.settle([], [(event.seq, "reason")])
    spool._connection.execute("UPDATE dead_letters SET reason = CAST(x'62ff64' AS TEXT)")
    assert read_spool(tmp_path).refusal == "b\\xffd"


def test_a_newer_one_is_not_touched(spool, tmp_path):
    spool.close()
    with sqlite3.connect(tmp_path / "spool.db") as newer:
        newer.execute("PRAGMA user_version = 9")
    newer.close()
    before = snapshot(tmp_path)
    with pytest.raises(NewerSpoolError, match="has version 9"):
        read_spool(tmp_path)
    assert snapshot(tmp_path) == before


def test_one_that_is_no_database(tmp_path):
    (tmp_path / "spool.db").write_bytes(b"no database" * 1000)
    with pytest.raises(DamagedSpoolError):
        read_spool(tmp_path)


def test_a_damaged_page_is_found_by_a_thorough_look(spool, tmp_path):
    spool.add([login() for _ in range(30)], POSITION)
    spool.close()
    path = tmp_path / "spool.db"
    content = bytearray(path.read_bytes())
    content[4096 * 4 : 4096 * 4 + 100] = b"\xff" * 100
    path.write_bytes(content)
    with pytest.raises(DamagedSpoolError):
        read_spool(tmp_path, thorough=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("position", "[]"),
        ("position", json.dumps({"cursor": "", "boot_id": "", "realtime": "noon"})),
        ("position", "[" * 100_000),
        ("dropped", "[1]"),
        ("dropped", '{"login": "many"}'),
    ],
)
def test_nonsense_inside_is_damage(spool, tmp_path, name, value):
    spool._connection.execute("INSERT INTO state VALUES (?, ?)", (name, value))
    with pytest.raises(DamagedSpoolError, match="nonsense"):
        read_spool(tmp_path)


def test_one_that_cannot_be_opened(tmp_path):
    (tmp_path / "spool.db").mkdir()
    with pytest.raises(SpoolError, match=r"spool\.db cannot be used"):
        read_spool(tmp_path)
