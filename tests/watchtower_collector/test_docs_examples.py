"""Each example of the HTTP interface's pages is played as it stands, and is what comes of it."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import api_pages
import httpx
import pytest
from api_pages import section
from collector_process import AGENT, DEADLINE

from watchtower_collector.store.restore_note import note_restore
from watchtower_collector.store.sqlite import SQLiteStore
from watchtower_collector.timestamps import parse_rfc3339

BLOCKS = api_pages.blocks()
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
# What was given before the examples of the pages begin.
LAST_IDS = {"events": 4_710, "tokens": 6, "audit": 11}
TOKEN = AGENT["X-Login-Alert-Token"]
played = set()


def of(heading, number=0):
    """Hand a test an example of the pages, and note that it has its test."""
    played.add((heading, number))
    text = BLOCKS.get((heading, number), "")
    return pytest.mark.parametrize("shown", [text], ids=[f"{heading} {number}"])


def without_times(value):
    """Return a document as text in the order of its fields; a time is only one that is none."""
    return TIME.sub("TIME", json.dumps(value))


def send(client, request):
    """Send a request as it is printed, with a token in the place of the one that is left out."""
    head, _, body = request.partition("\n\n")
    line, *fields = head.splitlines()
    method, path, _ = line.split(" ")
    headers = dict(field.split(": ", 1) for field in fields)
    headers = {name: TOKEN if text == "<the token>" else text for name, text in headers.items()}
    return client.request(method, path, headers=headers, content=body)


@pytest.fixture
def event():
    """The event that the pages are about."""
    return json.loads(BLOCKS["POST /login", 0].partition("\n\n")[2])


def count_on(database):
    """Let the next ids be those of the pages."""
    with closing(sqlite3.connect(database)) as connection, connection:
        rows = list(LAST_IDS.items())
        connection.executemany("INSERT INTO sqlite_sequence VALUES (?, ?)", rows)


@pytest.fixture
def stage(store, environment, run_app):
    """A client of a collector whose next ids are those of the pages."""
    count_on(environment["WATCHTOWER_DB_PATH"])
    with run_app(environment, store) as client:
        yield client


def test_every_example_is_played():
    assert played == set(BLOCKS)


@of("POST /login", 0)
def test_the_request_is_taken(stage, shown):
    assert send(stage, shown).status_code == 201
    assert [stored["id"] for stored in stage.events()] == [4_711]


@of("POST /login", 1)
def test_one_event_is_acknowledged(stage, shown):
    for _ in range(2):  # as the page says of a repeated one
        answer = send(stage, BLOCKS["POST /login", 0])
        assert (answer.status_code, answer.json()) == (201, json.loads(shown))


@of("POST /login", 2)
def test_several_events_are_acknowledged_one_by_one(stage, event, shown):
    send(stage, BLOCKS["POST /login", 0])
    new = {**event, "event_id": "ab" * 16}
    nothing = {name: value for name, value in event.items() if name != "timestamp"}
    answer = stage.post([new, event, nothing])
    assert (answer.status_code, answer.json()) == (201, json.loads(shown))


@of("POST /login", 3)
def test_after_a_restore_it_says_so(run_app, environment, store, shown):
    name, id_, since = re.fullmatch(r"(\S+): ([0-9a-f]{32}) (\S+)\n", shown).groups()
    store.write(lambda connection: note_restore(connection, parse_rfc3339(since)))
    with run_app(environment, store) as client:
        given = send(client, BLOCKS["POST /login", 0]).headers[name]
    assert re.sub("^[0-9a-f]{32}", id_, given) == f"{id_} {since}"


@of("GET /healthz", 0)
def test_what_keeps_events_from_being_stored_is_named(client, monkeypatch, shown):
    monkeypatch.setattr(type(client.writer), "trouble", "disk_full")
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (503, json.loads(shown))
    assert int(answer.headers["Retry-After"]) > 0
    assert "`Retry-After`" in section("GET /healthz")
    asked = client.request("HEAD", "/healthz")
    assert (asked.status_code, asked.content) == (503, b"")


@of("Errors", 0)
def test_what_is_wrong_is_said(client, admin, shown):
    answer = client.get("/events?limit=0", headers=admin)
    assert (answer.status_code, answer.json()) == (422, json.loads(shown))


@of("Settings", 0)
def test_it_is_started_by_hand(repository, tmp_path, free_port, shown):
    running = subprocess.Popen(
        ["bash", "-euc", shown],
        cwd=tmp_path,
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONPATH": str(repository / "src"),
            "WATCHTOWER_PORT": free_port,
        },
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert health(running, free_port) == {"status": "ok"}
        assert (tmp_path / "watchtower.db").exists()
    finally:
        os.killpg(running.pid, signal.SIGTERM)
        running.wait(DEADLINE)


def health(running, port):
    """Return what a collector says of itself, as soon as it answers."""
    until = time.monotonic() + DEADLINE
    while running.poll() is None and time.monotonic() < until:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=DEADLINE).json()
        except httpx.TransportError:
            time.sleep(0.1)
    return pytest.fail("it does not answer")


@of("GET /events", 0)
def test_the_next_page_is_in_a_header(stage, admin, event, make_event, shown):
    """The event of the pages is the last one on the first page."""
    newer = [make_event(timestamp="2026-03-15T00:00:00Z") for _ in range(99)]
    older = make_event(timestamp="2026-03-13T00:00:00Z", user="alice")
    stage.post([event, *newer, older])
    name, value = shown.strip().split(": ", 1)
    answer = stage.get("/events?user=alice&limit=100", headers=admin)
    assert answer.headers[name] == value
    (left,) = stage.get(re.search("<(.*)>", value)[1], headers=admin).json()
    assert left["timestamp"] == "2026-03-13T00:00:00.000000Z"


@of("GET /events/{id}", 0)
def test_one_event_is_shown(stage, admin, shown):
    send(stage, BLOCKS["POST /login", 0])
    answer = stage.get("/events/4711", headers=admin)
    assert answer.status_code == 200
    assert without_times(answer.json()) == without_times(json.loads(shown))
    assert answer.json()["timestamp"] == json.loads(shown)["timestamp"]


@of("GET /events/stream", 0)
def test_an_event_is_streamed(collector, environment, event, shown):
    """The page leaves something out, where an ellipsis stands."""
    path = Path(environment["WATCHTOWER_DB_PATH"])
    SQLiteStore(path).close()
    count_on(path)
    collector.start()
    collector.post(event)
    with collector.stream("?last_event_id=0") as source:
        heard = source.blocks()
        assert next(heard) == ["retry: 2000", "id: 0"], "no event"
        pattern = re.escape(shown.rstrip("\n")).replace("…", ".*")
        assert re.fullmatch(pattern, "\n".join(next(heard)))


@of("GET /hosts", 0)
def test_a_host_is_shown(stage, admin, event, make_event, shown):
    (host,) = json.loads(shown)
    said = ("agent_version", "spool_depth", "clock_offset_seconds", "region", "host_group")
    stage.post([event, make_event(type="heartbeat", user=..., **{n: host[n] for n in said})])
    answer = stage.get("/hosts", headers=admin)
    assert without_times(answer.json()) == without_times([host])
    assert answer.json()[0]["last_login"] == host["last_login"] == event["timestamp"]


@of("GET /stats", 0)
def test_events_are_counted(stage, admin, make_event, shown):
    """The question stands before the answer."""
    (question,) = re.findall(r"`GET (/stats\?\S+)`", section("GET /stats"))
    users = ["root"] * 90 + [...] * 8 + [f"guess-{number}" for number in range(7)]
    at = "2026-03-14T00:30:00Z"
    stage.post([make_event(timestamp=at, user=user) for user in users])
    answer = stage.get(question, headers=admin)
    assert answer.status_code == 200
    assert json.dumps(answer.json()) == json.dumps(json.loads(shown))


@pytest.fixture
def first_token(stage, admin):
    """A token of web-1 that was used."""
    wanted = {"hostname": "web-1", "owner": "web-1.example.org"}
    made = stage.request("POST", "/admin/tokens", json=wanted, headers=admin).json()
    headers = {"X-Login-Alert-Token": made["token"]}
    stage.request("POST", "/login", headers=headers, json=[])
    return made


@of("GET /admin/tokens", 0)
def test_tokens_are_listed(stage, admin, first_token, shown):
    answer = stage.get("/admin/tokens", headers=admin)
    assert without_times(answer.json()) == without_times(json.loads(shown))


@of("POST /admin/tokens", 0)
def test_a_token_is_asked_for(stage, admin, shown):
    answer = stage.request("POST", "/admin/tokens", content=shown, headers=admin)
    assert answer.status_code == 201


@of("POST /admin/tokens", 1)
def test_a_token_is_made(stage, admin, first_token, shown):
    body = BLOCKS["POST /admin/tokens", 0]
    real, shown = (
        stage.request("POST", "/admin/tokens", content=body, headers=admin).json(),
        json.loads(shown),
    )
    assert len(real["token"]) == len(shown["token"])
    assert json.dumps({**real, "token": shown["token"]}) == json.dumps(shown)
    headers = {"X-Login-Alert-Token": real["token"]}
    assert stage.request("POST", "/login", headers=headers, json=[]).status_code == 201


@of("GET /admin/audit", 0)
def test_who_asked_is_shown(stage, admin, first_token, shown):
    body = BLOCKS["POST /admin/tokens", 0]
    transport = httpx.ASGITransport(stage.app, client=("192.0.2.7", 50_000))
    stage._http = httpx.AsyncClient(transport=transport, base_url="http://collector")
    assert stage.request("POST", "/admin/tokens", content=body, headers=admin).status_code == 201
    until = time.monotonic() + DEADLINE
    found = []
    while not found and time.monotonic() < until:  # the answer does not wait for its entry
        asked = stage.get("/admin/audit?path=/admin/tokens", headers=admin).json()
        found = [entry for entry in asked if entry["address"] == "192.0.2.7"]
    assert without_times(found) == without_times(json.loads(shown))


@pytest.mark.parametrize(
    ("asked", "heading"),
    [
        ("GET /healthz", "GET /healthz"),
        ("DELETE /hosts/web-1", "DELETE /hosts/{hostname}"),
        ("DELETE /admin/tokens/7", "DELETE /admin/tokens/{token}"),
    ],
)
def test_what_is_shown_in_a_sentence_is_answered(stage, admin, first_token, asked, heading):
    send(stage, BLOCKS["POST /login", 0])
    (shown,) = re.findall(r"`(\{.*\})`", section(heading))
    answer = stage.request(*asked.split(), headers=admin)
    assert (answer.status_code, answer.json()) == (200, json.loads(shown))
