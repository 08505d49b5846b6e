"""The real program, as systemd starts it."""

import contextlib
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from collector_process import DEADLINE

from watchtower_collector.database_lock import replacing_database
from watchtower_collector.keeping_errors import DatabaseInUseError


def wait_until(condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def test_ready_means_that_it_answers(collector):
    collector.start()
    assert httpx.get(f"{collector.url}/healthz", timeout=DEADLINE).json() == {"status": "ok"}


def test_it_takes_the_watchdogs_hand(collector):
    collector.start(WATCHDOG_USEC="3000000")
    collector.expect("WATCHDOG=1")
    collector.expect("WATCHDOG=1")


def test_sigterm_ends_it_in_order(collector, make_event, tmp_path):
    collector.start()
    collector.post(make_event())
    assert collector.stop() == 0
    collector.expect("STOPPING=1")
    left = {file.name for file in tmp_path.iterdir() if file.name.startswith("watchtower.db")}
    assert left == {"watchtower.db", "watchtower.db.lock"}, "the WAL was written back"


def test_a_restart_refuses_no_connection(collector, make_event):
    """The socket stays with systemd: who connects meanwhile waits."""
    collector.start()
    collector.stop()
    answers = []
    posting = threading.Thread(target=lambda: answers.append(collector.post(make_event())))
    posting.start()
    collector.start()
    posting.join(DEADLINE)
    assert answers[0].status_code == 201


def test_what_was_posted_when_sigterm_came_is_answered(collector, make_event):
    """A held lock keeps the commit waiting while the signal comes."""
    collector.start(WATCHTOWER_HEARTBEAT_DAYS="0")  # nothing else writes
    path = collector._environment["WATCHTOWER_DB_PATH"]
    lock = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    lock.execute("BEGIN IMMEDIATE")
    answers = []
    posting = threading.Thread(target=lambda: answers.append(collector.post(make_event())))
    before = open_databases(collector)
    posting.start()
    wait_until(lambda: open_databases(collector) > before)  # the writer has it, and waits
    collector.process.send_signal(signal.SIGTERM)
    collector.expect("STOPPING=1")
    lock.execute("ROLLBACK")
    lock.close()
    posting.join(DEADLINE)
    assert collector.process.wait(DEADLINE) == 0
    assert answers[0].status_code == 201
    assert stored_ids(path) == [answers[0].json()["id"]]


def open_databases(collector):
    count = 0
    for file in Path(f"/proc/{collector.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since
            count += file.readlink().name == "watchtower.db"
    return count


def stored_ids(path):
    connection = sqlite3.connect(path)
    ids = [id_ for (id_,) in connection.execute("SELECT id FROM events ORDER BY id")]
    connection.close()
    return ids


def test_killed_at_any_moment_it_keeps_what_it_acknowledged_and_nothing_twice(
    collector, make_event
):
    """Clients post numbered events and send each again until it is acknowledged."""
    acknowledged = {}
    stop = threading.Event()

    def post_all():
        while not stop.is_set():
            events = [make_event() for _ in range(3)]
            while not stop.is_set():
                try:
                    response = httpx.post(
                        f"{collector.url}/login",
                        json=events,
                        headers={
                            "X-Login-Alert-Token": collector._environment["WATCHTOWER_AGENT_TOKEN"]
                        },
                        timeout=10,
                    )
                except httpx.TransportError:
                    continue
                assert response.status_code == 201, response.text
                for event, result in zip(events, response.json()["results"], strict=True):
                    acknowledged[event["event_id"]] = result["id"]
                break

    collector.start()
    clients = [threading.Thread(target=post_all) for _ in range(4)]
    for client in clients:
        client.start()
    for _ in range(5):
        enough = len(acknowledged) + 50
        wait_until(lambda: len(acknowledged) >= enough)  # noqa: B023  # called at once
        assert collector.stop(signal.SIGKILL) == -signal.SIGKILL
        collector.start()
    stop.set()
    for client in clients:
        client.join(DEADLINE)
    assert len(acknowledged) >= 250
    connection = sqlite3.connect(collector._environment["WATCHTOWER_DB_PATH"])
    rows = connection.execute("SELECT lower(hex(event_id)), id FROM events").fetchall()
    connection.close()
    stored = dict(rows)
    assert len(stored) == len(rows)
    assert acknowledged.items() <= stored.items()


def test_a_full_disk_is_answered_503_and_passes_by_itself(small_disk, collector, make_event):
    collector.start(WATCHTOWER_DB_PATH=str(small_disk / "watchtower.db"))
    batch = [make_event(raw_message="x" * 1_000) for _ in range(200)]
    assert collector.post(batch).status_code == 201
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file:
        file.write(b"x" * (shutil.disk_usage(small_disk).free - 65_536))
    refused = collector.post([make_event(raw_message="x" * 1_000) for _ in range(500)])
    assert refused.status_code == 503
    assert refused.json()["error"]["reason"] in {"disk_full", "io_error"}
    assert int(refused.headers["Retry-After"]) > 0
    assert len(collector.events("?limit=1000")) == 200, "reading goes on"
    ballast.unlink()
    wait_until(
        lambda: httpx.get(f"{collector.url}/healthz", timeout=DEADLINE).json() == {"status": "ok"}
    )
    assert collector.post(make_event()).status_code == 201
    assert "cannot write" in collector.log()
    assert "writing again" in collector.log()
    collector.stop()


def test_a_large_body_uses_no_memory(collector):
    collector.start()

    def resident():
        status = Path(f"/proc/{collector.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) // 1_024

    before = resident()
    headers = {"X-Login-Alert-Token": collector._environment["WATCHTOWER_AGENT_TOKEN"]}
    sent = 0

    def body():
        nonlocal sent
        for _ in range(200):
            yield b" " * 1_048_576
            sent += 1

    try:
        response = httpx.post(
            f"{collector.url}/login", content=body(), headers=headers, timeout=DEADLINE
        )
        assert response.status_code == 413
    except httpx.TransportError:
        pytest.fail(f"the connection broke after {sent} MiB, without an answer")
    assert resident() - before < 60
    assert httpx.get(f"{collector.url}/healthz", timeout=DEADLINE).status_code == 200


def test_many_connections_that_say_nothing_do_not_block_it(collector, make_event):
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(400, soft - 100)
    collector.start()
    address = ("127.0.0.1", int(collector.url.rpartition(":")[2]))
    idle = [socket.create_connection(address) for _ in range(wanted)]
    try:
        for connection in idle:
            connection.sendall(b"POST /login HTTP/1.1\r\nHost: x\r\nX-Slow")
        assert collector.post(make_event()).status_code == 201
    finally:
        for connection in idle:
            connection.close()


def by_hand(repository, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "watchtower_collector", *arguments],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(repository / "src"),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def test_mistakes_in_the_settings_end_it_with_78(repository):
    ended = by_hand(repository, ADMIN_API_KEY="too-short-but-secret", WATCHTOWER_PORT="x")
    assert ended.returncode == 78
    lines = ended.stderr.splitlines()
    assert [line.split()[1] for line in lines] == [
        "ADMIN_API_KEY",
        "WATCHTOWER_PORT",
    ]
    assert "too-short-but-secret" not in ended.stderr


def test_a_database_it_cannot_open_ends_it_with_78(repository, environment, free_port):
    environment |= {"WATCHTOWER_DB_PATH": "/nonexistent/w.db", "WATCHTOWER_PORT": free_port}
    ended = by_hand(repository, **environment)
    assert ended.returncode == 78
    assert "/nonexistent/w.db" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_full_disk_ends_its_start_with_74(small_disk, repository, environment, free_port):
    """Which systemd answers with another start, until there is room."""
    ballast = small_disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4_096))
    environment |= {
        "WATCHTOWER_DB_PATH": str(small_disk / "watchtower.db"),
        "WATCHTOWER_PORT": free_port,
    }
    ended = by_hand(repository, **environment)
    assert ended.returncode == 74
    assert "the disk is full: free some space" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_address_that_is_taken_ends_it_with_69(repository, environment):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = by_hand(repository, **environment, WATCHTOWER_PORT=port)
    assert ended.returncode == 69
    assert "cannot listen" in ended.stderr
    assert port in ended.stderr


def test_it_says_its_version(repository):
    ended = by_hand(repository, "--version")
    assert ended.stdout.strip() == (repository / "VERSION").read_text().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_by_hand_it_listens_where_the_settings_say(repository, environment, free_port, number):
    process = subprocess.Popen(
        [sys.executable, "-m", "watchtower_collector"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(repository / "src"),
            "WATCHTOWER_PORT": free_port,
            **environment,
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert free_port in process.stderr.readline()
        assert (
            httpx.get(f"http://127.0.0.1:{free_port}/healthz", timeout=DEADLINE).status_code == 200
        )
        process.send_signal(number)
        assert process.wait(DEADLINE) == 0
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_it_waits_for_the_end_of_a_restore(collector, environment):
    database = Path(environment["WATCHTOWER_DB_PATH"])
    with replacing_database(database):
        starting = threading.Thread(target=collector.start)
        starting.start()
        wait_until(lambda: "is being restored" in collector.log())
        assert not database.exists(), "nothing was opened"
    starting.join(DEADLINE)
    assert httpx.get(f"{collector.url}/healthz", timeout=DEADLINE).json() == {"status": "ok"}


def test_nothing_is_restored_under_it(collector, environment):
    collector.start()
    with (
        pytest.raises(DatabaseInUseError, match="Stop the collector"),
        replacing_database(Path(environment["WATCHTOWER_DB_PATH"])),
    ):
        pytest.fail("the lock was given twice")
