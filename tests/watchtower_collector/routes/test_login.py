import asyncio
import gzip
import json
import re
import tracemalloc

import httpx
import pytest

from watchtower_collector.room import Room
from watchtower_collector.store import StoreUnavailableError
from watchtower_collector.store.restore_note import note_restore


def error_of(response, status):
    assert response.status_code == status, response.text
    assert response.json()["status"] == "error"
    return response.json()["error"]


def test_one_event(client, make_event):
    response = client.post(make_event(user="alice"))
    assert response.status_code == 201
    assert response.json() == {"status": "ok", "id": client.events()[0]["id"]}
    assert client.events()[0]["user"] == "alice"


def test_an_event_that_is_posted_again_has_the_same_id(client, make_event):
    event = make_event()
    assert client.post(event).json() == client.post(event).json()
    assert len(client.events()) == 1


def test_a_client_without_event_ids_works(client, make_event):
    event = make_event(event_id=...)
    assert client.post(event).json()["id"] != client.post(event).json()["id"]


def test_an_array(client, make_event):
    response = client.post([make_event(), make_event()])
    assert response.status_code == 201
    newest, older = client.events()
    assert response.json() == {
        "status": "ok",
        "results": [{"status": "ok", "id": older["id"]}, {"status": "ok", "id": newest["id"]}],
    }


def test_an_empty_array(client):
    response = client.post([])
    assert (response.status_code, response.json()) == (201, {"status": "ok", "results": []})


def test_after_a_restore_every_acknowledgement_says_since_when_events_are_missing(
    run_app, environment, store, make_event
):
    with run_app(environment, store) as client:
        assert "Watchtower-Restored" not in client.post(make_event()).headers
    store.write(lambda connection: note_restore(connection, 1_773_480_413_000_001))
    with run_app(environment, store) as client:
        for body in (make_event(), [make_event()], []):
            id_, since = client.post(body).headers["Watchtower-Restored"].split(" ")
            assert re.fullmatch("[0-9a-f]{32}", id_)
            assert since == "2026-03-14T09:26:53.000001Z"
        assert "Watchtower-Restored" not in client.post(5).headers


def test_in_an_array_bad_events_are_refused_one_by_one(client, make_event):
    known = make_event()
    first = client.post(known).json()["id"]
    documents = [make_event(), make_event(timestamp="soon"), known, "text", make_event()]
    results = client.post(documents).json()["results"]
    words = [result["status"] for result in results]
    assert words == ["ok", "rejected", "duplicate", "rejected", "ok"]
    assert results[2]["id"] == first
    wrong_time, no_object = results[1]["error"], results[3]["error"]
    assert (wrong_time["event"], wrong_time["field"]) == (1, "timestamp")
    assert "RFC 3339" in wrong_time["message"]
    assert (no_object["event"], no_object["field"]) == (3, "")
    assert len(client.events()) == 3


def test_a_bad_event_is_named(client, make_event):
    error = error_of(client.post(make_event(source_port="ssh")), 422)
    assert (error["event"], error["field"]) == (0, "source_port")
    assert client.events() == []


@pytest.mark.parametrize("stamp", ["1970-01-01T00:00:00Z", "2013-01-01T00:00:00Z"])
def test_an_old_event_is_taken_after_an_outage(client, make_event, stamp):
    assert client.post(make_event(timestamp=stamp)).status_code == 201


def test_a_thousand_events_and_no_more(client, make_event):
    documents = [make_event() for _ in range(1_001)]
    assert "at most 1000" in error_of(client.post(documents), 413)["message"]
    assert client.events() == []
    results = client.post(documents[:1_000]).json()["results"]
    assert {result["status"] for result in results} == {"ok"}


def test_more_values_than_a_thousand_events_have(client, make_event):
    error = error_of(client.post([make_event(), [[]] * 40_000]), 413)
    assert "send fewer events" in error["message"]
    assert client.events() == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b'"login"', b"[" * 50_000, b'{"a": NaN}', b"1" * 5_000, b"\xff"],
    ids=lambda body: repr(body[:8]),
)
def test_a_body_that_is_no_event(client, body):
    error_of(client.post(body), 422)


def test_numbers_out_of_every_range(client):
    body = b'{"type":"login","timestamp":"2026-01-01T00:00:00Z","hostname":"h","spool_depth":%s}'
    for number in (b"1e999", b"-1e999", b"9" * 4_000, b"9" * 5_000):
        assert error_of(client.post(body % number), 422)["field"] == "spool_depth"


def test_escapes_for_lone_surrogates_and_nul(client, make_event):
    body = (
        b'{"type":"login_failed","timestamp":"2026-01-01T00:00:00Z","hostname":"h",'
        b'"user":"a\\ud800\\u0000b"}'
    )
    assert client.post(body).status_code == 201
    assert client.events()[0]["user"] == "a\ufffd\ufffdb"


def gzipped(client, body, encoding="gzip", **keywords):
    headers = {"X-Login-Alert-Token": "agent-token-of-the-tests-0123456789abcdef"}
    headers["Content-Encoding"] = encoding
    return client.request("POST", "/login", headers=headers, content=body, **keywords)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_a_gzip_body_is_taken(client, make_event, encoding):
    events = [make_event(raw_message="x" * 4_000) for _ in range(100)]
    response = gzipped(client, gzip.compress(json.dumps(events).encode()), encoding)
    assert response.status_code == 201
    assert len(client.events()) == 100


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_a_gzip_body_may_come_in_any_pieces(client, make_event, size):
    body = gzip.compress(json.dumps(make_event(raw_message="x" * 4_000)).encode())

    async def pieces():
        for start in range(0, len(body), size):
            yield body[start : start + size]

    assert gzipped(client, pieces()).status_code == 201


WHOLE = gzip.compress(b'{"type": "login", "timestamp": "2026-01-01T00:00:00Z", "hostname": "h"}')


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "too early"),
        (b"{}", "not gzip"),
        (WHOLE[:-1], "too early"),
        (WHOLE[:20], "too early"),
        (WHOLE + b"\n", "follows"),
        (WHOLE + WHOLE, "follows"),
        (WHOLE[:-8] + bytes(8), "damaged"),
        (WHOLE[:15] + b"\xff" + WHOLE[16:], "damaged"),
    ],
    ids=["empty", "plain", "cut", "cut early", "trailing", "twice", "checksum", "broken"],
)
def test_a_gzip_body_that_is_not_whole_is_refused(client, body, message):
    assert message in error_of(gzipped(client, body), 422)["message"]
    assert client.events() == []


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", ""])
def test_another_encoding_is_refused_and_told_which_is_taken(client, encoding):
    response = gzipped(client, WHOLE, encoding)
    assert "gzip" in error_of(response, 415)["message"]
    assert response.headers["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize("more", [0, 1])
def test_the_limit_is_that_of_the_inflated_body(run_app, environment, store, more):
    environment["WATCHTOWER_MAX_BODY_BYTES"] = "65536"
    body = gzip.compress(b"[]" + b" " * (65_534 + more))
    with run_app(environment, store) as client:
        assert gzipped(client, body).status_code == (413 if more else 201)


def test_what_inflates_to_nothing_is_bounded_too(run_app, environment, store):
    environment["WATCHTOWER_MAX_BODY_BYTES"] = "65536"
    header = WHOLE[:10]
    sent = 0

    async def empty_blocks():
        nonlocal sent
        yield header
        for _ in range(100):
            sent += 5_000
            yield b"\x00\x00\x00\xff\xff" * 1_000  # RFC 1951, 3.2.4: stored, no bytes, not last

    with run_app(environment, store) as client:
        error_of(gzipped(client, empty_blocks()), 413)
    assert sent < 80_000


@pytest.mark.parametrize("token", [None, "", "wrong", "ü"])
def test_a_wrong_token_has_no_hint(client, make_event, token):
    headers = {} if token is None else {"X-Login-Alert-Token": token.encode()}
    response = client.request("POST", "/login", headers=headers, json=make_event())
    assert error_of(response, 401) == {"message": "not authorized"}
    assert client.events() == []


def test_the_admin_key_is_no_token(client, make_event, admin):
    key = {"X-Login-Alert-Token": admin["X-Admin-Api-Key"]}
    error_of(client.request("POST", "/login", headers=key, json=make_event()), 401)


class Body(httpx.AsyncByteStream):
    """Pieces of a body without its length; counts what was asked for."""

    def __init__(self, piece, times):
        self.piece, self.times, self.given = piece, times, 0

    async def __aiter__(self):
        for _ in range(self.times):
            self.given += 1
            yield bytes(bytearray(self.piece))  # a new one


def test_a_body_that_is_declared_too_large_is_not_read(run_app, environment, store, agent):
    with run_app({**environment, "WATCHTOWER_MAX_BODY_BYTES": "65536"}, store) as client:
        body = Body(b" " * 1_000, 1)
        response = client.request(
            "POST", "/login", headers={**agent, "Content-Length": "65537"}, content=body
        )
        assert "65536 bytes" in error_of(response, 413)["message"]
        assert body.given == 0


def test_a_body_that_grows_too_large_is_not_read_to_its_end(run_app, environment, store, agent):
    with run_app({**environment, "WATCHTOWER_MAX_BODY_BYTES": "65536"}, store) as client:
        body = Body(b" " * 1_000, 10_000)
        error_of(client.request("POST", "/login", headers=agent, content=body), 413)
        assert body.given < 70


def test_without_the_token_nothing_is_read(client):
    body = Body(b" " * 1_000, 10_000)
    error_of(client.request("POST", "/login", content=body), 401)
    assert body.given == 0


@pytest.fixture
def traced():
    """A function that returns the bytes that Python holds now, and held at the most."""
    tracemalloc.start()
    yield tracemalloc.get_traced_memory
    tracemalloc.stop()


def test_a_body_in_small_pieces_takes_no_more_than_its_size(client, agent, traced):
    before = traced()[0]
    response = client.request("POST", "/login", headers=agent, content=Body(b"  ", 200_000))
    error_of(response, 422)
    assert traced()[1] - before < 4_000_000


def test_while_events_wait_only_they_are_held(client, make_event, monkeypatch, traced):
    """Not the body, nor what else it said."""
    real = client.store.append
    held = []

    def append(rows):
        held.append(traced()[0])
        return real(rows)

    monkeypatch.setattr(client.store, "append", append)
    body = gzip.compress(json.dumps([make_event(), " " * 4_000_000]).encode())
    before = traced()[0]
    assert gzipped(client, body).status_code == 201
    assert held[0] - before < 1_000_000


def test_all_bodies_together_are_bounded(run_app, environment, store, agent, make_event):
    """Eight full bodies may be under way; the ninth is asked to come again."""
    with run_app({**environment, "WATCHTOWER_MAX_BODY_BYTES": "65536"}, store) as client:

        class Slow(httpx.AsyncByteStream):
            begun = 0
            end = None

            async def __aiter__(self):
                yield b" " * 65_000
                Slow.begun += 1
                await Slow.end.wait()

        async def scenario():
            Slow.end = asyncio.Event()
            post = client._http.post
            waiting = [
                asyncio.create_task(post("/login", headers=agent, content=Slow()))
                for _ in range(8)
            ]
            async with asyncio.timeout(60):
                while Slow.begun < 8:
                    await asyncio.sleep(0.005)
            ninth = await post("/login", headers=agent, content=b" " * 6_000)
            Slow.end.set()
            await asyncio.gather(*waiting)
            return ninth, await post("/login", headers=agent, json=make_event())

        ninth, after = client.portal.call(scenario)
        assert error_of(ninth, 503)["reason"] == "queue_full"
        assert int(ninth.headers["Retry-After"]) > 0
        assert after.status_code == 201, "what was held was given back"


def test_a_full_queue_asks_to_come_again(client, make_event, monkeypatch):
    monkeypatch.setattr(client.writer, "_room", Room(2, 1))
    response = client.post([make_event(), make_event(), make_event()])
    assert error_of(response, 503)["reason"] == "queue_full"
    assert int(response.headers["Retry-After"]) > 0
    assert client.post(make_event()).status_code == 201


def test_a_store_in_trouble_asks_to_come_again(client, make_event, monkeypatch):
    def fail(rows):
        raise StoreUnavailableError("disk_full", "/secret/path is full")

    with monkeypatch.context() as patch:
        patch.setattr(client.store, "append", fail)
        # It does not find out by itself, meanwhile, that there is room.
        patch.setattr("watchtower_collector.writer._PROBE_ILL_SECONDS", 60)
        response = client.post(make_event())
        assert error_of(response, 503)["reason"] == "disk_full"
        assert int(response.headers["Retry-After"]) > 0
        assert "/secret/path" not in response.text
        assert client.get("/healthz").json() == {"status": "unavailable", "reason": "disk_full"}
    assert client.post(make_event()).status_code == 201
    assert client.get("/healthz").json() == {"status": "ok"}


def test_one_row_that_the_database_refuses(client, make_event, monkeypatch):
    real = client.store.append

    def damaged(rows):
        return real([{**row, "source_port": "x"} if row["user"] == "bad" else row for row in rows])

    monkeypatch.setattr(client.store, "append", damaged)
    results = client.post([make_event(), make_event(user="bad"), make_event()]).json()["results"]
    assert [result["status"] for result in results] == ["ok", "rejected", "ok"]
    assert error_of(client.post(make_event(user="bad")), 422)["event"] == 0
