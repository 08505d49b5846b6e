"""What the collector's tests share: events, an application in this process, a real process."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import uuid

import anyio.from_thread
import httpx
import pytest
from collector_process import ADMIN, AGENT, REPOSITORY, Collector, unused_port
from disks import small

from watchtower_collector.app import create_app
from watchtower_collector.backup import back_up
from watchtower_collector.event import event_row, parse_event
from watchtower_collector.settings import read_settings
from watchtower_collector.store.sqlite import SQLiteStore
from watchtower_collector.timestamps import format_rfc3339
from watchtower_collector.writer import Writer


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

    async def raising(self, document):
        """Post to ``/login`` as the server does, which gets to see what goes wrong."""
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://collector") as client:
            await client.post("/login", headers=AGENT, json=document)

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
        portal.wrap_async_context_manager(app.rest.router.lifespan_context(app.rest)),
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


@pytest.fixture
def free_port():
    """A port to listen on, as a setting."""
    with unused_port() as port:
        yield str(port)


@pytest.fixture
def collector(environment, tmp_path):
    """A collector that is not started yet."""
    collector = Collector(environment, tmp_path)
    yield collector
    collector.close()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB."""
    with small(tmp_path / "disk", 4) as directory:
        yield directory


@pytest.fixture
def fill():
    """A function that stores events in a database, made if need be, and returns their ids."""

    def fill(path, count, received_at=1_000_000_000_000_000, at=None, hostname="web-1"):
        """``at`` is when they happened; when they were received, if it is left out."""
        store = SQLiteStore(path)
        rows = []
        for number in range(count):
            event = {
                "type": "login",
                "timestamp": format_rfc3339(received_at if at is None else at),
                "hostname": hostname,
                "event_id": uuid.uuid4().hex,
                "raw_message": "x" * 500,
            }
            rows.append(event_row(parse_event(event), received_at + number))
        outcomes = store.append(rows)
        store.close()
        return [outcome.id for outcome in outcomes]

    return fill


@pytest.fixture
def database(tmp_path, fill):
    """A database of 300 events."""
    path = tmp_path / "state" / "watchtower.db"
    path.parent.mkdir()
    fill(path, 300)
    return path


@pytest.fixture
def backup(database, tmp_path):
    """A backup of it."""
    return back_up(database, tmp_path / "backups").path


@pytest.fixture
def kill_at_each_line():
    """A function that does a piece of work again and again, killed at each line of some modules.

    Each line counts when it is come to for the first time. It yields after each kill, and ends
    when the work came to its end.
    """

    def run(work, *modules):
        files = {module.__file__ for module in modules}
        for number in itertools.count(1):
            child = os.fork()
            if child == 0:
                _work_until(work, files, number)
            _, status = os.waitpid(child, 0)
            if os.WIFEXITED(status):
                assert os.WEXITSTATUS(status) == 0
                assert number > 30, "the lines were not counted"
                return
            assert os.WTERMSIG(status) == signal.SIGKILL
            yield number

    return run


def _work_until(work, files, number):
    """Work, in a child of our own, until so many lines of the files were begun."""
    lines = set()

    def trace(frame, event, _argument):
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            lines.add((frame.f_code.co_filename, frame.f_lineno))
            if len(lines) == number:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    status = 1
    try:
        sys.settrace(trace)
        work()
        status = 0
    finally:
        os._exit(status)
