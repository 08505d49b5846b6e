"""A collector in a process of its own, for whoever tests against a real one."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import httpx
import pytest
from event_source import EventSource

REPOSITORY = Path(__file__).resolve().parents[2]
ADMIN = {"X-Admin-Api-Key": "admin-key-of-the-tests-0123456789abcdef"}
AGENT = {"X-Login-Alert-Token": "agent-token-of-the-tests-0123456789abcdef"}
# Generous: a starting Python on a busy machine. Nothing waits this long when all is well.
DEADLINE = 60


@contextlib.contextmanager
def unused_port():
    """Give a port that nobody else is given, and that one process may listen on by its number.

    Nobody listens there until then. The kernel gives a bound port to no one who asks for any, and
    lets one who asks for this one have it, as both reuse addresses, socket(7).
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


class Collector:
    """A real process, started the way systemd does it: socket and notifications handed over."""

    def __init__(self, environment, directory):
        self._environment = environment
        self._log = directory / f"collector-{uuid.uuid4().hex}.log"
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notifications.settimeout(DEADLINE)
        self._notify = f"watchtower-test-{uuid.uuid4().hex}"
        self.notifications.bind("\0" + self._notify)
        self.process = None

    def start(self, **environment):
        launcher = (
            "import os, sys\n"
            "os.dup2(int(sys.argv[1]), 3)\n"
            "os.environ['LISTEN_PID'] = str(os.getpid())\n"
            "os.execv(sys.executable, [sys.executable, '-m', 'watchtower_collector'])\n"
        )
        number = self.listener.fileno()
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", launcher, str(number)],
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": str(REPOSITORY / "src"),
                    "LISTEN_FDS": "1",
                    "NOTIFY_SOCKET": "@" + self._notify,
                    **self._environment,
                    **environment,
                },
                stderr=log,
                pass_fds=[number],
            )
        self.expect("READY=1")
        return self

    def expect(self, state):
        """Wait for a notification."""
        while True:
            try:
                received = self.notifications.recv(4_096).decode()
            except TimeoutError:
                pytest.fail(f"no {state} from the collector; it said:\n{self.log()}")
            if received == state:
                return

    def log(self):
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def stop(self, number=signal.SIGTERM):
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.stop(signal.SIGKILL)
        self.listener.close()
        self.notifications.close()

    def post(self, document):
        return httpx.post(f"{self.url}/login", json=document, headers=AGENT, timeout=DEADLINE)

    def events(self, query=""):
        response = httpx.get(f"{self.url}/events{query}", headers=ADMIN, timeout=DEADLINE)
        assert response.status_code == 200, response.text
        return response.json()

    @contextlib.contextmanager
    def stream(self, query="", last_id=None):
        """Follow ``/events/stream``; it has begun when this gives an ``EventSource``."""
        headers = {**ADMIN, **({} if last_id is None else {"Last-Event-ID": str(last_id)})}
        url = f"{self.url}/events/stream{query}"
        with httpx.stream("GET", url, headers=headers, timeout=DEADLINE) as response:
            if response.status_code != 200:
                response.read()
            assert response.status_code == 200, response.text
            yield EventSource(response)
