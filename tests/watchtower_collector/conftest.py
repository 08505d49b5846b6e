"""What the collector's tests share: events, an application in this process, a real process."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import anyio.from_thread
import httpx
import pytest

from watchtower_collector.app import create_app
from watchtower_collector.settings import read_settings
from watchtower_collector.store.sqlite import SQLiteStore
from watchtower_collector.writer import Writer

REPOSITORY = Path(__file__).resolve().parents[2]
ADMIN = {"X-Admin-Api-Key": "admin-key-of-the-tests-0123456789abcdef"}
AGENT = {"X-Login-Alert-Token": "agent-token-of-the-tests-0123456789abcdef"}
# Generous: a starting Python on a busy machine. Nothing waits this long when all is well.
DEADLINE = 60


@pytest.fixture(scope="session")
def repository():
    return REPOSITORY


@pytest.fixture
def admin():
    return dict(ADMIN)


@pytest.fixture
def agent():
    return dict(AGENT)


@pytest.fixture
def make_event():
    """A function that returns a new event, each with an ``event_id`` of its own."""
    numbers = itertools.count(1)

    def make(**fields):
        event = {
            "type": "login",
            "timestamp": "2026-03-14T09:26:53.589793Z",
            "hostname": "web-1",
            "user": "alice",
            "source_ip": "203.0.113.7",
            "event_id": f"{next(numbers):032x}",
        }
        event.update(fields)
        return {name: value for name, value in event.items() if value is not ...}

    return make


@pytest.fixture
def environment(tmp_path):
    return {
        "ADMIN_API_KEY": ADMIN["X-Admin-Api-Key"],
        "WATCHTOWER_AGENT_TOKEN": AGENT["X-Login-Alert-Token"],
        "WATCHTOWER_DB_PATH": str(tmp_path / "watchtower.db"),
    }


@pytest.fixture
def store(tmp_path):
    store = SQLiteStore(tmp_path / "watchtower.db")
    yield store
    store.close()


class Client:
    """httpx on an application in this process, seen from a synchronous test."""

    def __init__(self, portal, app, store, writer):
        self.portal, self.app, self.store, self.writer = portal, app, store, writer
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://collector")

    def request(self, *arguments, **keywords):
        async def call():
            return await self._http.request(*arguments, **keywords)

        return self.portal.call(call)

    def get(self, url, **keywords):
        return self.request("GET", url, **keywords)

    def post(self, body, **keywords):
        """Post to ``/login`` with the token, a document or bytes."""
        how = {"content": body} if isinstance(body, bytes) else {"json": body}
        return self.request("POST", "/login", headers=AGENT, **how, **keywords)

    def events(self, query=""):
        response = self.get(f"/events{query}", headers=ADMIN)
        assert response.status_code == 200, response.text
        return response.json()


@contextlib.contextmanager
def _running(environment, store):
    settings = read_settings(environment)
    writer = Writer(store, settings.queue_events)
    app = create_app(settings, store, writer)
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)),
    ):
        yield Client(portal, app, store, writer)


@pytest.fixture
def run_app():
    """A context manager: an application with a given environment on a given store."""
    return _running


@pytest.fixture
def client(environment, store):
    with _running(environment, store) as client:
        yield client


class EventSource:
    """A client of server-sent events, to the letter of WHATWG HTML, section 9.2.6."""

    def __init__(self, response):
        self.response = response
        self.last_id = ""
        self._text = response.iter_raw()
        self._left = b""

    def blocks(self):
        """Give each block as a list of its lines."""
        for piece in self._text:
            self._left += piece
            *whole, self._left = self._left.split(b"\n\n")
            for block in whole:
                # CR ends a line as LF does; nothing else does.
                yield re.split("\r\n|\r|\n", block.decode("utf-8"))

    def events(self):
        """Give each event as a pair of its type and its data, parsed."""
        silent = 0
        for lines in self.blocks():
            kind, data = "message", []
            silent = silent + 1 if lines[0] == ": alive" else 0
            assert silent < 3, "nothing comes but signs of life"
            for line in lines:
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if name == "id":
                    self.last_id = value
                elif name == "event":
                    kind = value
                elif name == "data":
                    data.append(value)
            if data:
                yield kind, json.loads("\n".join(data))

    def take(self, count):
        """Return the next ``count`` events."""
        events = self.events()
        return [next(events) for _ in range(count)]


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


@pytest.fixture
def collector(environment, tmp_path):
    """A collector that is not started yet."""
    collector = Collector(environment, tmp_path)
    yield collector
    collector.close()
