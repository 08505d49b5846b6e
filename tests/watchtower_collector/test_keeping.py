"""What the operator sets about keeping, the running collector keeps to."""

import re
import time

import pytest
from collector_process import ADMIN

from watchtower_collector import steady_clock
from watchtower_collector.event import event_row, parse_event
from watchtower_collector.timestamps import now_us

DAY_US = 86_400_000_000


@pytest.fixture
def store_event(store, make_event):
    """A function that stores an event received so many days ago."""

    def add(days, **fields):
        store.append([event_row(parse_event(make_event(**fields)), now_us() - days * DAY_US)])

    return add


@pytest.fixture
def kept(run_app, environment, store):
    """A function that runs a collector until so many events are deleted, and says who is left."""

    def keep(least, settings):
        with run_app(environment | settings, store) as client:
            deadline = time.monotonic() + 30
            while deleted(client) < least:
                assert time.monotonic() < deadline, "nothing is deleted"
                time.sleep(0.05)
            names = [event["hostname"] for event in client.events("?limit=1000")]
            return names, deleted(client)

    return keep


def deleted(client):
    text = client.get("/metrics", headers=ADMIN).text
    return float(re.search(r"\nwatchtower_retention_deleted_events_total (\S+)", text)[1])


@pytest.fixture
def three_events(store_event, monkeypatch):
    """Two of them old, and a clock that can be believed."""
    monkeypatch.setattr(steady_clock, "STEADY_SECONDS", 0.0)
    store_event(9, hostname="old")
    store_event(9, hostname="beats", type="heartbeat")
    store_event(0, hostname="new")


@pytest.mark.usefixtures("three_events")
@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({"WATCHTOWER_RETENTION_DAYS": "8", "WATCHTOWER_HEARTBEAT_DAYS": "0"}, ["new"]),
        ({"WATCHTOWER_HEARTBEAT_DAYS": "8"}, ["new", "old"]),
        ({"WATCHTOWER_RETENTION_DAYS": "10", "WATCHTOWER_HEARTBEAT_DAYS": "8"}, ["new", "old"]),
        ({}, ["new", "old"]),
    ],
)
def test_by_age(kept, settings, left):
    gone = 3 - len(left)
    assert kept(gone, settings) == (left, gone)


def test_by_size(kept, store_event):
    for number in range(600):
        store_event(600 - number, hostname=f"web-{number}", raw_message="x" * 4_000)
    names, _ = kept(300, {"WATCHTOWER_RETENTION_MB": "1"})
    assert names == [f"web-{number}" for number in range(599, 599 - len(names), -1)]
    assert names
