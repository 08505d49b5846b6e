"""The event loop serves everybody: what takes long is done in other threads."""

import json
import shutil
import threading
from pathlib import Path

import pytest

from watchtower_collector import rendering
from watchtower_collector.routes import metrics, openapi


@pytest.fixture
def recorded(monkeypatch):
    """A function that replaces one of a module or class, to note which threads call it."""

    def record(module, name):
        threads, real = set(), getattr(module, name)

        def noting(*arguments, **keywords):
            threads.add(threading.get_ident())
            return real(*arguments, **keywords)

        monkeypatch.setattr(module, name, noting)
        return threads

    return record


@pytest.fixture
def event_loop(client, make_event, admin):
    """The thread of the event loop, of a collector that has something of everything."""
    client.post([make_event(), make_event(type="heartbeat")])
    client.request("POST", "/admin/tokens", headers=admin, json={"hostname": "web-1"})

    async def idle():  # what was asked is on the audit trail
        await client.writer.call(lambda c: c.exec_driver_sql("SELECT 1").scalar())

    client.portal.call(idle)
    return client.portal.call(threading.get_ident)


@pytest.mark.parametrize(
    "url",
    [
        "/events",
        "/events?format=jsonl",
        "/events?format=jsonl&limit=1",
        "/events/1",
        "/hosts",
        "/stats?by=user&interval=hour",
        "/admin/tokens",
        "/admin/audit",
        "/openapi.json",
    ],
)
def test_json_is_rendered_elsewhere(client, admin, event_loop, recorded, url):
    threads = recorded(json.JSONEncoder, "encode")
    assert client.get(url, headers=admin).status_code == 200
    assert threads
    assert event_loop not in threads


def test_csv_is_rendered_elsewhere(client, admin, event_loop, recorded):
    threads = recorded(rendering, "event_document")
    response = client.get("/events?format=csv", headers=admin)
    assert len(response.text.splitlines()) == 3
    assert threads
    assert event_loop not in threads


def test_the_document_is_put_together_elsewhere(client, admin, event_loop, recorded):
    threads = recorded(openapi, "openapi_document")
    client.get("/openapi.json", headers=admin)
    assert threads
    assert event_loop not in threads


@pytest.mark.parametrize(
    "function", [(shutil, "disk_usage"), (metrics, "wal_bytes"), (Path, "iterdir")]
)
def test_files_are_looked_at_elsewhere(client, admin, event_loop, recorded, function):
    threads = recorded(*function)
    assert client.get("/metrics", headers=admin).status_code == 200
    assert threads
    assert event_loop not in threads
