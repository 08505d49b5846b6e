"""Pages against a filter so simple that it cannot be wrong."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watchtower_collector.addresses import network_range, sortable_bytes
from watchtower_collector.event import event_row, parse_event
from watchtower_collector.store import sqlite_indexes
from watchtower_collector.store.matching import Texts
from watchtower_collector.store.query import EventQuery, Position, page
from watchtower_collector.store.sqlite import SQLiteStore
from watchtower_collector.timestamps import parse_rfc3339

VALUES = {
    "user": ["a", "ab", "abc", "A", "b", "ab%", "é", "\U0010ffff", None],
    "hostname": ["web-1", "web-10", "web-2", "db-1"],
    "method": ["password", "publickey", None],
    "type": ["login", "login_failed", "sudo", "heartbeat"],
    "region": ["eu-1", "eu-2", "us", None],
    "host_group": ["web", "db", None],
    "severity": ["high", "low", None],
    "source_ip": ["203.0.113.7", "203.0.113.8", "203.0.114.1", "2001:db8::1", "::1", None],
    "raw_message": ["Accepted for a", "failed 100%_x", None],
    "flagged": [True, False],
}
TEXTS = ("user", "hostname", "method", "type", "region", "host_group", "severity")
NETWORKS = ["203.0.113.7", "203.0.113.0/24", "203.0.0.0/16", "2001:db8::/32", "::/0", "192.0.2.1"]
TIMES = [f"2026-01-01T00:00:{second:02}Z" for second in range(10)]


def new_row(source):
    event = {name: source.choice(values) for name, values in VALUES.items()}
    event |= {"timestamp": source.choice(TIMES), "event_id": f"{source.getrandbits(128):032x}"}
    return event_row(parse_event(event), received_at=1_773_480_413_000_000)


def texts(name):
    known = [value for value in VALUES[name] if value]
    beginnings = sorted({value[:length] for value in known for length in (0, 1, 2, 4)})
    return st.builds(
        lambda exact, prefixes: (
            Texts(tuple(exact), tuple(prefixes)) if exact or prefixes else None
        ),
        st.lists(st.sampled_from([*known, "nobody"]), max_size=3),
        st.lists(st.sampled_from(beginnings), max_size=2),
    )


MOMENTS = st.none() | st.sampled_from(TIMES).map(parse_rfc3339)
QUERIES = st.builds(
    EventQuery,
    **{name: st.none() | texts(name) for name in TEXTS},
    flagged=st.none() | st.booleans(),
    sources=st.lists(st.sampled_from(NETWORKS), max_size=3).map(
        lambda networks: tuple(network_range(network) for network in networks)
    ),
    since=MOMENTS,
    until=MOMENTS,
    text=st.none() | st.sampled_from(["A", "for", "0%_", "web-1", "203.0.113"]),
)


def matches(row, query):
    for name in TEXTS:
        wanted, value = getattr(query, name), row[name]
        if wanted and (value is None or not holds(value, wanted)):
            return False
    if query.sources:
        address = sortable_bytes(row["source_ip"] or "")
        if not address or not any(first <= address <= last for first, last in query.sources):
            return False
    looked_through = ("raw_message", "user", "hostname", "source_ip")
    if query.text and not any(
        query.text.lower() in (row[name] or "").lower() for name in looked_through
    ):
        return False
    return (
        (query.flagged is None or row["flagged"] == query.flagged)
        and (query.since is None or row["timestamp"] >= query.since)
        and (query.until is None or row["timestamp"] < query.until)
    )


def holds(value, wanted):
    return value in wanted.exact or any(value.startswith(prefix) for prefix in wanted.prefixes)


def key(row):
    return row["timestamp"], row["id"]


NUMBERS = ("GLANCE", "ATTEMPT", "MANY", "SHORT_LIST", "FEW", "TRIED")


class Filled:
    """A store, and its rows with their ids."""

    def __init__(self, store):
        self.store, self.rows, self._random = store, [], random.Random(1)

    def arrive(self, count):
        new = [new_row(self._random) for _ in range(count)]
        outcomes = self.store.append(new) if new else []
        self.rows += [{**row, "id": o.id} for row, o in zip(new, outcomes, strict=True)]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    store = SQLiteStore(tmp_path_factory.mktemp("pages") / "watchtower.db")
    filled = Filled(store)
    filled.arrive(200)
    yield filled
    store.close()


@pytest.fixture(
    params=[
        (1, 1, 0, 0, 0, 0),
        (1, 1, 50, 0, 10, 1_000),
        (300, 1, 30, 0, 50, 0),
        (300, 1_000, 0, 10, 0, 0),
        (1, 2_000, 30, 2, 1_000, 1_000),
        (100_000, 1, 0, 0, 0, 0),
    ],
    ids=["by time", "a rare one", "some at once", "some by index", "most by index", "at once"],
)
def limits(request, monkeypatch):
    for name, number in zip(NUMBERS, request.param, strict=True):
        monkeypatch.setattr(sqlite_indexes, name, number)
    # A tenth of the time that there is, so that a page is put together from several.
    monkeypatch.setattr(sqlite_indexes, "STRETCH", 1_000_000)


@pytest.mark.usefixtures("limits")
@settings(
    max_examples=100,
    deadline=None,
    # The way to an index is the same for all examples of one parameter.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(query=QUERIES, limit=st.sampled_from([3, 20, 1_000]), arriving=st.integers(0, 2))
def test_pages_hold_what_matches_once_in_order(filled, query, limit, arriving):
    before = [row for row in filled.rows if matches(row, query)]
    expected = [row["id"] for row in sorted(before, key=key, reverse=True)]
    found, after = [], None
    for turn in itertools.count():
        rows_of_page = filled.store.read(lambda c, after=after: page(c, query, after, limit))
        found += rows_of_page
        if len(rows_of_page) < limit:
            break
        after = Position(rows_of_page[-1]["timestamp"], rows_of_page[-1]["id"])
        if turn < 2:
            filled.arrive(arriving)
    assert [key(row) for row in found] == sorted({key(row) for row in found}, reverse=True)
    assert all(matches(row, query) for row in found)
    known = set(expected)
    assert [row["id"] for row in found if row["id"] in known] == expected


@pytest.mark.parametrize("glance", [1, 300])
def test_wherever_an_attempt_is_cut_nothing_comes_twice(filled, monkeypatch, glance):
    anybody = Texts(prefixes=("a", "b", "r"))
    everywhere = ((bytes(16), b"\xff" * 15 + b"\xfe"),)
    query = EventQuery(user=anybody, hostname=Texts(prefixes=("",)), sources=everywhere)
    matching = [row for row in filled.rows if matches(row, query)]
    expected = [row["id"] for row in sorted(matching, key=key, reverse=True)]
    assert len(expected) > 20
    monkeypatch.setattr(sqlite_indexes, "GLANCE", glance)
    for attempt in range(10, 4_000, 37):
        monkeypatch.setattr(sqlite_indexes, "ATTEMPT", attempt)
        found = filled.store.read(lambda c: page(c, query, None, 1_000))
        assert [row["id"] for row in found] == expected, f"cut by {attempt} steps"
