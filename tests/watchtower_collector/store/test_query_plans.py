"""Every index is needed by a query, and every common query has its index."""

import sqlite3

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from watchtower_collector.addresses import network_range
from watchtower_collector.store.matching import Texts
from watchtower_collector.store.migrations import migrate
from watchtower_collector.store.query import EventQuery, Position, select_page
from watchtower_collector.store.schema import EVENTS


@pytest.fixture
def database():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    yield connection
    connection.close()


def plan(database, statement):
    compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
    steps = database.execute(f"EXPLAIN QUERY PLAN {compiled}", compiled.params)
    return "\n".join(step[-1] for step in steps)


SINCE = {"since": 1}
WEB_1 = Texts(("web-1",))
PLANS = {
    "the latest": (EventQuery(), "events_timestamp"),
    "a range of time": (EventQuery(since=1, until=2), "events_timestamp (timestamp>? AND"),
    "a host": (
        EventQuery(hostname=WEB_1, **SINCE),
        "events_hostname (hostname=? AND timestamp",
    ),
    "a user": (EventQuery(user=Texts(("alice",)), **SINCE), "events_user (user=? AND timestamp>?"),
    "a type": (EventQuery(type=Texts(("login",)), **SINCE), "events_type (type=? AND timestamp>?"),
    "an address": (
        EventQuery(sources=(network_range("203.0.113.7"),), **SINCE),
        "events_source (source_addr=? AND timestamp>?",
    ),
    "free text": (EventQuery(text="x", **SINCE), "events_timestamp (timestamp>?"),
}


@pytest.mark.parametrize("after", [None, Position(5, 5)], ids=["first page", "later page"])
@pytest.mark.parametrize(("query", "index"), PLANS.values(), ids=PLANS.keys())
def test_a_page_is_read_in_order_from_an_index(database, query, index, after):
    steps = plan(database, select_page(query, after, 100))
    assert index.split("(")[0].strip() in steps
    if after is None:
        assert index in steps
    assert "TEMP B-TREE" not in steps, "the whole result is sorted for one page"


def test_a_network_is_a_range_scan(database):
    query = EventQuery(sources=(network_range("203.0.113.0/24"),))
    steps = plan(database, select_page(query, None, 100))
    assert "events_source (source_addr>? AND source_addr<?)" in steps


def test_a_later_page_starts_where_the_one_before_ended(database):
    steps = plan(
        database, select_page(EventQuery(hostname=Texts(("web-1",))), Position(5, 5), 100)
    )
    assert "events_hostname (hostname=? AND timestamp<?)" in steps


def test_a_repeated_event_id_is_looked_up(database):
    statement = sa.select(EVENTS.c.id).where(EVENTS.c.event_id == b"x" * 16)
    assert "events_event_id (event_id=?)" in plan(database, statement)


def test_no_index_is_without_its_query(database):
    named = {name for (name,) in database.execute("SELECT name FROM pragma_index_list('events')")}
    used = {index.split(" ")[0] for _, index in PLANS.values()} | {"events_event_id"}
    assert named == used
