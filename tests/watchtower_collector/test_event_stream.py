"""What a stream says when nothing happens."""

import asyncio
import json
import threading

import pytest

from watchtower_collector import event_stream
from watchtower_collector.bell import Bell
from watchtower_collector.event_stream import Streams
from watchtower_collector.reader import Reader
from watchtower_collector.store import StoreUnavailableError
from watchtower_collector.store.matching import Texts
from watchtower_collector.store.query import EventQuery
from watchtower_collector.store.sqlite import SQLiteStore

NOBODY = EventQuery(user=Texts(("nobody",)))


@pytest.fixture
def lines(store):
    """A function that returns the first texts of a stream."""

    def listen(query, after, count):
        async def run():
            body = Streams(Reader(store), Bell()).open(query, after).body_iterator
            return [await anext(body) for _ in range(count)]

        return asyncio.run(run())

    return listen


def test_it_says_that_it_is_alive_and_how_far_it_is(lines, client, make_event, monkeypatch):
    monkeypatch.setattr(event_stream, "ALIVE_SECONDS", 0.01)
    client.post([make_event() for _ in range(3)])
    hello, *alive = lines(NOBODY, 0, 4)
    assert hello.endswith("id: 0\n\n")
    assert alive == [": alive\nid: 3\n\n"] * 3


def test_events_are_rendered_away_from_the_event_loop(lines, client, make_event, monkeypatch):
    threads, encode = set(), json.JSONEncoder.encode

    def noting(*arguments, **keywords):
        threads.add(threading.get_ident())
        return encode(*arguments, **keywords)

    client.post([make_event() for _ in range(3)])
    monkeypatch.setattr(json.JSONEncoder, "encode", noting)
    assert "data: " in lines(EventQuery(), 0, 2)[1]
    assert threads
    assert threading.get_ident() not in threads, "where the event loop of the stream runs"


def test_it_says_so_while_it_looks_far_ahead_too(lines, client, make_event, monkeypatch):
    monkeypatch.setattr(event_stream, "ALIVE_SECONDS", 0.0)
    monkeypatch.setattr("watchtower_collector.store.following.STEP_EVENTS", 2)
    client.post([make_event() for _ in range(6)])
    assert lines(NOBODY, 0, 4)[1:] == [f": alive\nid: {n}\n\n" for n in (2, 4, 6)]


def test_a_store_in_trouble_ends_the_stream(store, monkeypatch, caplog):
    def fail(work):
        raise StoreUnavailableError("io_error", "the disk fails")

    async def run():
        body = Streams(Reader(store), Bell()).open(NOBODY, 0).body_iterator
        return [text async for text in body]

    monkeypatch.setattr(SQLiteStore, "read", lambda _store, work: fail(work))
    assert len(asyncio.run(run())) == 1
    assert "the disk fails" in caplog.text
