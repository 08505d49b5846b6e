"""Counts of a store, against counting its rows in Python."""

import collections
import random

import pytest

from watchtower_collector.store.matching import Texts
from watchtower_collector.store.query import EventQuery
from watchtower_collector.store.stats import StatsQuery, count_events

HOUR = 3_600_000_000


@pytest.fixture
def rows(store, make_row):
    chance = random.Random(5)
    rows = []
    for _ in range(500):
        row = make_row(
            user=chance.choice(["a", "b", "c", "d", None]),
            hostname=chance.choice(["web-1", "web-2"]),
        )
        row["timestamp"] = chance.randrange(-5 * HOUR, 5 * HOUR)
        rows.append(row)
    store.append(rows)
    return rows


@pytest.mark.parametrize("top", [1, 2, 5, 100])
@pytest.mark.parametrize("hostname", [None, "web-1"])
def test_counts_are_those_of_the_rows(store, rows, top, hostname):
    events = EventQuery(since=-4 * HOUR - 7, until=4 * HOUR + 7)
    if hostname:
        events = EventQuery(hostname=Texts((hostname,)), since=events.since, until=events.until)
    buckets = range(-5 * HOUR, 4 * HOUR + 7, HOUR)
    query = StatsQuery(events, "user", top, buckets, HOUR)
    total, counts = store.read(lambda connection: count_events(connection, query))

    matching = [
        row
        for row in rows
        if events.since <= row["timestamp"] < events.until and hostname in {None, row["hostname"]}
    ]
    frequent = collections.Counter(row["user"] for row in matching).most_common()
    apart = {count.value for count in counts if not count.is_other}
    assert total == len(matching)
    assert len(apart) == min(top, 5)
    assert min(n for user, n in frequent if user in apart) >= frequent[min(top, 5) - 1][1]
    expected = collections.Counter()
    for row in matching:
        is_apart = row["user"] in apart
        time = row["timestamp"] // HOUR * HOUR
        expected[time, row["user"] if is_apart else None, not is_apart] += 1
    found = {(c.time, c.value, c.is_other): c.count for c in counts}
    assert {key: n for key, n in found.items() if n} == expected
    assert len(found) == len(counts) == len(buckets) * (min(top, 5) + (top < 5))


def test_an_empty_store(store):
    query = StatsQuery(EventQuery(), "user", 10, None, 0)
    assert store.read(lambda connection: count_events(connection, query)) == (0, [])
