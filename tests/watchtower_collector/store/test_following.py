"""Events in the order of storing, step by step."""

import pytest

from watchtower_collector.store import following
from watchtower_collector.store.following import event_by_id, step
from watchtower_collector.store.matching import Texts
from watchtower_collector.store.query import EventQuery

EVERYTHING = EventQuery()


def next_step(store, after, query=EVERYTHING, limit=100):
    rows, reached = store.read(lambda connection: step(connection, query, after, limit))
    return [row["id"] for row in rows], reached


def test_after_the_newest_there_is_nothing(store, make_row):
    assert next_step(store, 0) == ([], 0)
    store.append([make_row()])
    assert next_step(store, 1) == ([], 1)
    assert next_step(store, 7) == ([], 7)


def test_events_come_in_the_order_of_storing_whatever_their_time(store, make_row):
    for year in (2026, 2024, 2025):
        store.append([make_row(timestamp=f"{year}-01-01T00:00:00Z")])
    assert next_step(store, 0) == ([1, 2, 3], 3)
    assert next_step(store, 1) == ([2, 3], 3)


def test_a_step_ends_at_its_limit_and_the_next_goes_on_there(store, make_row):
    store.append([make_row() for _ in range(5)])
    assert next_step(store, 0, limit=2) == ([1, 2], 2)
    assert next_step(store, 2, limit=2) == ([3, 4], 4)
    assert next_step(store, 4, limit=2) == ([5], 5)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_rare_event_is_reached_in_bounded_steps(store, make_row, monkeypatch, size):
    monkeypatch.setattr(following, "STEP_EVENTS", size)
    store.append([make_row(user="x" if n in {0, 6} else "y") for n in range(10)])
    rare = EventQuery(user=Texts(("x",)))
    found, reached, steps = [], 0, 0
    while reached < 10:
        ids, further = next_step(store, reached, rare)
        assert reached < further <= reached + size
        found, reached, steps = found + ids, further, steps + 1
    assert (found, steps) == ([1, 7], -(-10 // size))


def test_an_event_by_its_id(store, make_row):
    store.append([make_row(user="a"), make_row(user="b")])
    assert store.read(lambda connection: event_by_id(connection, 2))["user"] == "b"
    assert store.read(lambda connection: event_by_id(connection, 3)) is None
