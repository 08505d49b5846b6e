import os
import socket

import pytest

from watchtower_agent.notify import ServiceNotifier, watchdog_interval


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path, monkeypatch):
    """systemd's end of the notification socket."""
    name = str(tmp_path / "notify")
    address = name if request.param == "path" else f"\0{name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(address)
        sock.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", address.replace("\0", "@"))
        yield sock


def test_each_message(manager):
    notifier = ServiceNotifier.from_environment()
    notifier.status("Working")
    notifier.ready()
    notifier.watchdog()
    notifier.stopping()
    assert [manager.recv(100) for _ in range(4)] == [
        b"STATUS=Working",
        b"READY=1",
        b"WATCHDOG=1",
        b"STOPPING=1",
    ]


def test_a_status_cannot_speak_for_the_service(manager):
    ServiceNotifier.from_environment().status("It answered\nMAINPID=1\rSTOPPING=1")
    assert manager.recv(100) == b"STATUS=It answered MAINPID=1 STOPPING=1"


def test_children_do_not_inherit_the_socket(manager):
    ServiceNotifier.from_environment()
    assert "NOTIFY_SOCKET" not in os.environ


def test_without_systemd_nothing_happens(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    ServiceNotifier.from_environment().ready()


def test_a_vanished_manager_is_no_error(tmp_path):
    ServiceNotifier(str(tmp_path / "nobody")).watchdog()


@pytest.mark.parametrize(
    ("microseconds", "pid", "interval"),
    [
        ("60000000", None, 30.0),
        ("60000000", "own", 30.0),
        ("60000000", "1", None),
        ("", None, None),
        ("soon", None, None),
    ],
)
def test_the_watchdogs_interval(monkeypatch, microseconds, pid, interval):
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if pid:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)
    assert watchdog_interval() == interval
