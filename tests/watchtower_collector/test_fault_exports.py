"""Exports are long: what slow clients, and a store that fails half way, do to them."""

import contextlib
import re
import socket
import sqlite3
from pathlib import Path

import httpx
import pytest
from collector_process import DEADLINE

COUNT = 40_000
MB = 1_000_000


@pytest.fixture
def running(collector, environment, fill):
    """A collector with some 40 MB to export."""
    fill(environment["WATCHTOWER_DB_PATH"], COUNT)
    return collector.start()


def peak_mb(collector):
    """Return the most memory that the process ever had."""
    status = Path(f"/proc/{collector.process.pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1_024 / MB


@pytest.mark.parametrize("wanted", ["csv", "jsonl"])
def test_an_export_is_never_in_memory_as_a_whole(running, admin, wanted):
    url = f"{running.url}/events?format={wanted}"
    httpx.get(f"{url}&limit=1000", headers=admin, timeout=DEADLINE)
    before, size, lines = peak_mb(running), 0, 0
    with httpx.stream("GET", url, headers=admin, timeout=DEADLINE) as response:
        for piece in response.iter_raw():
            size += len(piece)
            lines += piece.count(b"\n")
    assert lines == COUNT + (wanted == "csv")
    assert size > 24 * MB
    assert peak_mb(running) - before < 8


@contextlib.contextmanager
def not_reading(collector, admin):
    """Ask for an export, take its first bytes, and no more."""
    key = admin["X-Admin-Api-Key"]
    request = f"GET /events?format=csv HTTP/1.1\r\nHost: x\r\nX-Admin-Api-Key: {key}\r\n\r\n"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.connect(("127.0.0.1", int(collector.url.rpartition(":")[2])))
        connection.sendall(request.encode())
        assert connection.recv(12) == b"HTTP/1.1 200"
        yield


def test_whoever_does_not_read_on_keeps_no_log(running, admin, environment, make_event):
    """SQLite cannot begin its log anew while somebody reads what is in it."""
    with not_reading(running, admin), not_reading(running, admin):
        assert running.post(make_event()).status_code == 201
        with contextlib.closing(sqlite3.connect(environment["WATCHTOWER_DB_PATH"])) as database:
            database.execute("PRAGMA busy_timeout = 5000")
            (blocked, *_) = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert not blocked
        assert httpx.get(f"{running.url}/healthz", timeout=DEADLINE).status_code == 200


@pytest.mark.parametrize("wanted", ["csv", "jsonl"])
def test_an_export_that_breaks_off_does_not_pass_for_a_whole_one(
    running, admin, environment, wanted
):
    """The status has gone out; all that is left is to end the connection before its time."""
    path = Path(environment["WATCHTOWER_DB_PATH"])
    url = f"{running.url}/events?format={wanted}"
    with httpx.stream("GET", url, headers=admin, timeout=DEADLINE) as response:
        pieces = response.iter_raw()
        next(pieces)
        with path.open("r+b") as file:
            file.seek(MB)
            file.write(bytes(path.stat().st_size - MB))
        with pytest.raises(httpx.RemoteProtocolError):
            for _ in pieces:
                pass
