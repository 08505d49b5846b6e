import os
import socket
import subprocess
import sys

import pytest

from watchtower_collector.systemd import Notifier, inherited_listener

PROGRAM = """
import os, sys
from watchtower_collector.systemd import ActivationError, inherited_listener
number = int(sys.argv[1])
if number >= 0:
    os.dup2(number, 3)
os.environ["LISTEN_PID"] = sys.argv[2] or str(os.getpid())
os.environ["LISTEN_FDS"] = sys.argv[3]
try:
    listener = inherited_listener(os.environ)
except ActivationError as error:
    print("refused:", error)
else:
    print(listener and listener.getsockname(), [n for n in os.environ if n.startswith("LISTEN")])
"""


@pytest.fixture
def inherit(repository):
    def run(sock, pid="", count="1"):
        number = sock.fileno() if sock else -1
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(number), pid, count],
            env={**os.environ, "PYTHONPATH": str(repository / "src")},
            pass_fds=[number] if sock else [],
            capture_output=True,
            text=True,
            check=True,
        )
        return ended.stdout.strip()

    return run


def test_the_socket_that_systemd_passed_is_taken(inherit):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert inherit(listener) == f"{listener.getsockname()} []"


def test_what_is_for_another_process_is_not_ours(inherit):
    assert inherit(None, pid="1") == "None []"


def test_one_socket_is_enough(inherit):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert inherit(listener, count="2").startswith("refused: systemd passed 2 sockets")


def test_a_datagram_socket_is_refused(inherit):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wrong:
        assert "not a listening stream socket" in inherit(wrong)


def test_a_connection_is_refused(inherit):
    """``Accept=yes`` would pass one."""
    one, other = socket.socketpair()
    with one, other:
        assert "not a listening stream socket" in inherit(one)


def test_without_systemd_there_is_no_socket():
    assert inherited_listener({}) is None


@pytest.mark.parametrize("kind", ["file", "abstract"])
def test_a_notification_arrives(tmp_path, kind):
    name = str(tmp_path / "notify") if kind == "file" else f"watchtower-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name if kind == "file" else "\0" + name)
        manager.settimeout(60)
        Notifier({"NOTIFY_SOCKET": name if kind == "file" else "@" + name}).send("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_without_a_manager_nothing_happens(caplog):
    Notifier({}).send("READY=1")
    assert not caplog.records


def test_a_manager_that_is_gone_is_no_reason_to_fail(tmp_path, caplog):
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).send("READY=1")
    assert "could not tell systemd READY=1" in caplog.text


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdogs_period(environment, seconds):
    assert Notifier(environment).watchdog_seconds() == seconds
