import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import uuid
from pathlib import Path

import pytest
from processes import SOURCE

from watchtower_agent.event import Event
from watchtower_agent.host import Host
from watchtower_agent.spool import FILE_NAME, Position, Spool
from watchtower_agent.spool_file import DamagedSpoolError, NewerSpoolError, SpoolError

BIG = 10_000_000


def event(event_type="login", event_id=None, text="x"):
    return Event(event_type, "t", "h", event_id or uuid.uuid4().hex, {"raw_message": text})


def position(number):
    return Position(f"s=1;i={number}", "b", number)


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path, BIG)
    yield spool
    spool.close()


def types(spool):
    return [json.loads(e.body)["type"] for e in spool.batch(10_000, BIG)]


def test_events_come_out_as_they_went_in(spool):
    events = [event() for _ in range(5)]
    assert spool.add(events, position(5)) == 5
    assert [e.body for e in spool.batch(100, BIG)] == [e.to_json() for e in events]
    assert spool.position() == position(5)
    assert spool.depth() == 5


def test_it_is_all_there_after_reopening(spool, tmp_path):
    spool.add([event()], position(1))
    spool.close()
    again = Spool(tmp_path, BIG)
    assert again.depth() == 1
    assert again.position() == position(1)
    again.close()


def test_nobody_else_may_read_it(spool, tmp_path):
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_the_same_event_is_kept_once(spool):
    first = event()
    assert spool.add([first, first], None) == 1
    assert spool.add([first], None) == 0
    assert spool.depth() == 1


def test_a_batch_is_bounded_in_number_and_size(spool):
    spool.add([event(text="y" * 1000) for _ in range(5)], None)
    assert len(spool.batch(3, BIG)) == 3
    assert len(spool.batch(100, 2500)) == 2
    assert len(spool.batch(100, 1)) == 1


def test_only_what_was_settled_goes(spool):
    spool.add([event() for _ in range(4)], None)
    first, second, third, fourth = (e.seq for e in spool.batch(10, BIG))
    spool.settle([first, third], [(second, "bad user")])
    assert [e.seq for e in spool.batch(10, BIG)] == [fourth]


def test_who_waits_is_told_of_news(spool):
    spool.arrived.clear()
    spool.add([], position(1))
    assert not spool.arrived.is_set()
    spool.add([event()], None)
    assert spool.arrived.is_set()


def test_when_full_the_least_important_go_first(tmp_path):
    spool = Spool(tmp_path, 100_000)
    spool.add([event("login") for _ in range(50)], None)
    for _ in range(40):
        spool.add([event("untrusted", text="z" * 500) for _ in range(20)], None)
        spool.add([event("login_failed", text="z" * 500) for _ in range(20)], None)
    kept = types(spool)
    assert kept.count("login") == 50
    assert kept.count("login_failed") > 0
    assert "untrusted" not in kept
    assert spool.report_overflow(Host("h"))
    report = json.loads(spool.batch(10_000, BIG)[-1].body)["raw_message"]
    assert "800 untrusted" in report
    assert f"{800 - kept.count('login_failed')} login_failed" in report
    spool.close()


def test_among_equals_the_oldest_goes(tmp_path):
    spool = Spool(tmp_path, 100_000)
    spool.add([event(event_id=f"{n:032}", text="z" * 500) for n in range(400)], None)
    kept = [json.loads(e.body)["event_id"] for e in spool.batch(10_000, BIG)]
    assert kept == [f"{n:032}" for n in range(400 - len(kept), 400)]
    spool.close()


def test_the_file_does_not_outgrow_its_bound_by_much(tmp_path):
    spool = Spool(tmp_path, 1_000_000)
    for _ in range(40):
        spool.add([event(text="z" * 500) for _ in range(250)], None)
    assert (tmp_path / FILE_NAME).stat().st_size < 1_500_000
    spool.close()


def test_space_is_given_back_after_a_backlog(tmp_path):
    spool = Spool(tmp_path, 100_000_000)
    spool.add([event(text="z" * 1000) for _ in range(8000)], None)
    spool.settle([e.seq for e in spool.batch(8000, 100_000_000)], [])
    assert (tmp_path / FILE_NAME).stat().st_size < 1_000_000
    spool.close()


def test_one_overflow_report_waits_at_a_time(tmp_path):
    spool = Spool(tmp_path, 50_000)
    for _ in range(3):
        spool.add([event(text="z" * 500) for _ in range(100)], None)
        spool.report_overflow(Host("h"))
    assert types(spool).count("spool_overflow") == 1
    spool.close()


def test_nothing_dropped_nothing_reported(spool):
    assert not spool.report_overflow(Host("h"))
    assert spool.depth() == 0


def test_dead_letters_are_bounded(spool, monkeypatch):
    monkeypatch.setattr("watchtower_agent.spool.DEAD_LETTERS_KEPT", 10)
    for _ in range(25):
        spool.add([event()], None)
        (only,) = spool.batch(1, BIG)
        spool.settle([], [(only.seq, "bad")])
    assert spool._scalar("SELECT count(*) FROM dead_letters") == 10


def test_a_failed_commit_changes_nothing(spool, tmp_path, monkeypatch):
    spool.add([event()], position(1))
    other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    spool._connection.execute("PRAGMA busy_timeout = 0")
    with pytest.raises(SpoolError, match="cannot be used"):
        spool.add([event()], position(2))
    other.execute("ROLLBACK")
    other.close()
    assert spool.position() == position(1)
    assert spool.depth() == 1
    spool.add([event()], position(2))
    assert spool.position() == position(2)


def test_events_without_their_position_are_not_kept(spool, monkeypatch):
    spool.add([event()], position(1))

    def fail(*_):
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(spool, "_set_state", fail)
        with pytest.raises(SpoolError, match="disk I/O error"):
            spool.add([event()], position(2))
    assert spool.depth() == 1
    assert spool.position() == position(1)


def test_a_full_disk_is_survived(spool):
    """max_page_count gives the same SQLITE_FULL that a full disk gives."""
    pages = spool._scalar("PRAGMA page_count")
    spool._connection.execute(f"PRAGMA max_page_count = {pages + 3}")
    stored = 0

    def fill():
        nonlocal stored
        while stored < 100:
            spool.add([event(text="z" * 2000)], position(stored + 1))
            stored += 1

    with pytest.raises(SpoolError, match="full"):
        fill()
    assert spool.position() == position(stored)
    assert spool.depth() == stored > 0
    assert spool._bytes == spool._scalar("SELECT sum(size) FROM events")
    spool._connection.execute("PRAGMA max_page_count = 1000000")
    spool.add([event()], position(stored + 1))
    assert spool.position() == position(stored + 1)


@pytest.mark.parametrize("damage", ["text", "middle"])
def test_a_damaged_file_is_set_aside(tmp_path, damage):
    spool = Spool(tmp_path, BIG)
    spool.add([event(text="z" * 900) for _ in range(200)], position(1))
    spool.close()
    path = tmp_path / FILE_NAME
    content = bytearray(path.read_bytes())
    if damage == "text":
        content[:] = b"this is no database" * 1000
    else:
        content[4096 * 5 : 4096 * 30] = os.urandom(4096 * 25)
    path.write_bytes(content)
    spool = Spool(tmp_path, BIG)
    aside = Path(spool.replaces())
    assert aside.read_bytes() == content
    assert spool.position() is None
    assert spool.add([event()], position(2)) == 1
    spool.close()


def test_damage_while_in_use_is_told_apart(spool, tmp_path):
    spool.add([event(text="z" * 900) for _ in range(200)], position(1))
    spool._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with (tmp_path / FILE_NAME).open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(4096 * 40))
    spool._connection.execute("PRAGMA cache_size = 0")
    spool._connection.execute("PRAGMA shrink_memory")
    with pytest.raises(DamagedSpoolError):
        spool.batch(200, BIG)


def test_a_later_versions_spool_is_left_alone(tmp_path):
    Spool(tmp_path, BIG).close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(NewerSpoolError, match="99"):
        Spool(tmp_path, BIG)


def test_a_directory_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(SpoolError, match="agent's user"):
        Spool(tmp_path / "missing", BIG)


WRITER = textwrap.dedent("""
    import sys, uuid
    from pathlib import Path
    from watchtower_agent.event import Event
    from watchtower_agent.spool import Position, Spool
    spool = Spool(Path(sys.argv[1]), 10**9)
    last = spool.position()
    number = last.realtime if last else 0
    while True:
        events = [Event("login", "t", "h", f"{number + k:032}") for k in range(1, 8)]
        number += 7
        spool.add(events, Position(f"c{number}", "b", number))
        print(number, flush=True)
""")


def test_kill_at_any_moment_leaves_events_and_position_together(tmp_path):
    acknowledged = 0
    for round_number in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": SOURCE},
        )
        for _ in range(3 + round_number):
            acknowledged = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
        acknowledged = int(rest[-1]) if rest else acknowledged
        writer.wait()
        writer.stdout.close()
        spool = Spool(tmp_path, 10**9)
        ids = [json.loads(e.body)["event_id"] for e in spool.batch(10**6, 10**9)]
        reached = spool.position().realtime
        spool.close()
        assert reached >= acknowledged
        assert ids == [f"{number:032}" for number in range(1, reached + 1)]
