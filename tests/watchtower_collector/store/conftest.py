"""Rows, and the store once for each database."""

from __future__ import annotations

import itertools

import pytest

from watchtower_collector.event import event_row, parse_event
from watchtower_collector.store import sqlite_indexes
from watchtower_collector.store.sqlite import SQLiteStore


@pytest.fixture(autouse=True)
def new_statements():
    """Statements are kept, and tests change the numbers that they are made by."""
    sqlite_indexes._by_index.cache_clear()


@pytest.fixture(params=["sqlite"])
def store(request, tmp_path):
    stores = {"sqlite": lambda: SQLiteStore(tmp_path / "watchtower.db")}
    store = stores[request.param]()
    yield store
    store.close()


@pytest.fixture
def make_row():
    """A function that returns a new row; without ``event_id``, it has one of its own."""
    numbers = itertools.count(1)

    def make(**fields):
        event = {
            "type": "login",
            "timestamp": "2026-03-14T09:26:53Z",
            "hostname": "web-1",
            "event_id": f"{next(numbers):032x}",
        }
        return event_row(parse_event({**event, **fields}), received_at=1_773_480_413_000_000)

    return make
