"""Streams of a real process: an application in this one could not be listened to."""

import contextlib
import json
import re
import signal
import socket
import threading
from pathlib import Path

import httpx
import pytest
from collector_process import DEADLINE

from watchtower_collector.event import event_row, parse_event
from watchtower_collector.event_stream import MAX_STREAMS
from watchtower_collector.store.following import STEP_EVENTS
from watchtower_collector.store.sqlite import SQLiteStore


def ids(events):
    return [event["id"] for _, event in events]


@pytest.fixture
def running(collector):
    return collector.start()


def fill(collector, events):
    """Store events before the collector starts."""
    store = SQLiteStore(Path(collector._environment["WATCHTOWER_DB_PATH"]))
    try:
        store.append([event_row(parse_event(event), 1) for event in events])
    finally:
        store.close()


def test_what_is_stored_comes_at_once(running, make_event):
    running.post(make_event(user="before"))
    with running.stream() as source:
        assert source.response.headers["Content-Type"].startswith("text/event-stream")
        assert source.response.headers["Cache-Control"] == "no-store"
        running.post([make_event(user="alice"), make_event(type="sudo", user="bob")])
        received = source.take(2)
        assert source.last_id == "3"
    assert [kind for kind, _ in received] == ["login", "sudo"]
    assert [event for _, event in received] == list(reversed(running.events()[:2]))


@pytest.mark.parametrize(
    ("query", "last_id", "expected"),
    [
        ("", 2, [3, 4]),
        ("?last_event_id=2", None, [3, 4]),
        ("?last_event_id=1", 3, [4]),
        ("?last_event_id=0&user=b*&user=c", None, [2, 4]),
    ],
)
def test_it_goes_on_after_the_last_event(running, make_event, query, last_id, expected):
    running.post([make_event(user=user) for user in ("a", "b", "a", "c")])
    with running.stream(query, last_id) as source:
        assert ids(source.take(len(expected))) == expected


def test_who_comes_back_misses_nothing_even_if_nothing_had_come(running, make_event):
    running.post(make_event())
    with running.stream() as source:
        lines = next(source.blocks())
    assert lines[0].startswith("retry: ")
    running.post(make_event())
    with running.stream(last_id=re.fullmatch("id: (.*)", lines[1])[1]) as source:
        assert ids(source.take(1)) == [2]


def test_every_event_comes_once_and_in_order_to_a_client_that_loses_its_connection(
    running, make_event
):
    total = 400
    with running.stream("?last_event_id=0") as source:
        posting = threading.Thread(
            target=lambda: [running.post([make_event() for _ in range(4)]) for _ in range(100)]
        )
        posting.start()
        received, last_id = ids(source.take(1)), source.last_id
    while len(received) < total:
        with running.stream(last_id=last_id) as source:
            received += ids(source.take(min(25, total - len(received))))
            last_id = source.last_id
    posting.join()
    assert received == list(range(1, total + 1))


def test_a_rare_event_is_found_far_ahead(collector, make_event):
    fill(collector, [make_event(event_id=...) for _ in range(3 * STEP_EVENTS)])
    fill(collector, [make_event(user="rare")])
    collector.start()
    with collector.stream("?user=rare&last_event_id=0") as source:
        assert ids(source.take(1)) == [3 * STEP_EVENTS + 1]


def test_what_users_type_does_not_break_the_frames(running, make_event):
    hostile = "\n\nid: 99\r\rdata: {}\r\n\r\nevent: x\u2028\u2029\x85\x0b\x0c\ufeff\0: "
    with running.stream() as source:
        running.post([make_event(user=hostile, newer=hostile), make_event(user="next")])
        (_, first), (_, second) = source.take(2)
        assert source.last_id == "2"
    assert first["user"] == first["newer"] == hostile.replace("\0", "\ufffd")
    assert second["user"] == "next"


def test_no_more_streams_than_are_allowed(running, admin, make_event):
    url = f"{running.url}/events/stream"
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(running.stream())
        for _ in range(MAX_STREAMS - 1):
            stack.enter_context(running.stream())
        refused = httpx.get(url, headers=admin, timeout=DEADLINE)
        assert refused.status_code == 503
        assert refused.json()["error"]["reason"] == "too_many_streams"
        assert int(refused.headers["Retry-After"]) > 0
        running.post(make_event())
        assert ids(first.take(1)) == [1], "the open ones go on"
    # The collector learns of it a moment after the clients.
    for _ in range(1_000):
        with httpx.stream("GET", url, headers=admin, timeout=DEADLINE) as response:
            if response.status_code == 200:
                return
    pytest.fail("streams that ended count as open")


def test_streams_end_in_order_when_the_collector_stops(running, make_event):
    with running.stream() as source, running.stream("?user=x") as other:
        running.post(make_event())
        source.take(1)
        running.process.send_signal(signal.SIGTERM)
        assert list(source.events()) == []
        assert list(other.events()) == []
    assert running.process.wait(60) == 0
    assert "Cancel" not in running.log(), "it waited for them until the time was up"


def test_a_client_that_takes_nothing_holds_up_only_itself(collector, admin, make_event):
    fill(collector, [make_event(raw_message="x" * 4_000, event_id=...) for _ in range(10_000)])
    collector.start()

    def resident():
        status = Path(f"/proc/{collector.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) // 1_024

    httpx.get(f"{collector.url}/stats", headers=admin, timeout=DEADLINE)
    before = resident()
    address = ("127.0.0.1", int(collector.url.rpartition(":")[2]))
    request = (
        f"GET /events/stream?last_event_id=0 HTTP/1.1\r\nHost: x\r\n"
        f"X-Admin-Api-Key: {admin['X-Admin-Api-Key']}\r\n\r\n"
    ).encode()
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(socket.create_connection(address)).sendall(request)
        with collector.stream("?last_event_id=0") as source:
            assert ids(source.take(10_000)) == list(range(1, 10_001))
        assert resident() - before < 60


@pytest.mark.parametrize(
    ("query", "header", "error"),
    [
        ("last_event_id=1", None, ("last_event_id", "newest is 0")),
        ("", "1", ("last_event_id", "older backup")),
        ("last_event_id=-1", None, ("last_event_id", "from 0 to")),
        ("last_event_id=x", None, ("last_event_id", "from 0 to")),
        ("", "x", ("Last-Event-ID", "from 0 to")),
        ("", "9" * 5_000, ("Last-Event-ID", "from 0 to")),
        ("limit=1", None, ("limit", "no such parameter")),
        ("since=2026-01-01", None, ("since", "no such parameter")),
        ("user=", None, ("user", "leave it out")),
    ],
)
def test_a_mistake_is_named_before_the_stream_begins(client, admin, query, header, error):
    parameter, allowed = error
    headers = admin if header is None else {**admin, "Last-Event-ID": header}
    response = client.get(f"/events/stream?{query}", headers=headers)
    assert response.status_code == 422
    found = response.json()["error"]
    assert found["parameter"].lower() == parameter.lower()
    assert allowed in found["message"]


def test_without_the_key_there_is_nothing_to_learn(client):
    response = client.get("/events/stream?limit=1", headers={"Last-Event-ID": "x"})
    assert (response.status_code, response.json()["error"]) == (401, {"message": "not authorized"})


def test_each_event_is_one_line_of_json(running, make_event):
    with running.stream() as source:
        running.post(make_event())
        blocks = source.blocks()
        while (lines := next(blocks))[0] != "id: 1":
            pass
    assert lines[1] == "event: login"
    assert json.loads(lines[2].removeprefix("data: "))["id"] == 1
    assert len(lines) == 3
