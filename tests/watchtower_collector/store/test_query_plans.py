"""Every index is needed by a query, and every question is answered from its index."""

import itertools
import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from asked_statements import asked_for

from watchtower_collector.addresses import network_range
from watchtower_collector.store import sqlite_indexes
from watchtower_collector.store.following import select_step
from watchtower_collector.store.matching import Texts
from watchtower_collector.store.query import EventQuery, Position
from watchtower_collector.store.schema import EVENTS
from watchtower_collector.store.sqlite_steps import driver, end_at, rows_within
from watchtower_collector.store.stats import StatsQuery, select_totals

SINCE = {"since": 1}
WEB_1 = Texts(("web-1",))
ROOT = Texts(("root",))
EU = Texts(("eu",))
ADDRESS = (network_range("203.0.113.7"),)
# Each is in order as it is read: nothing is sorted, and reading ends with the page.
ORDERED = {
    "the latest": (EventQuery(), "events_time"),
    "a range of time": (EventQuery(since=1, until=2), "events_time (timestamp>? AND"),
    "a host": (EventQuery(hostname=WEB_1, **SINCE), "events_hostname (hostname=? AND timestamp"),
    "a user": (EventQuery(user=ROOT, **SINCE), "events_user (user=? AND timestamp>?"),
    "a type": (EventQuery(type=ROOT, **SINCE), "events_type (type=? AND timestamp>?"),
    "an address": (
        EventQuery(sources=ADDRESS, **SINCE),
        "events_source (source_addr=? AND timestamp>?",
    ),
    "free text": (EventQuery(text="x", **SINCE), "events_time (timestamp>?"),
    "labels": (EventQuery(region=EU, flagged=True, **SINCE), "events_time (timestamp>?"),
}
WEB = Texts(prefixes=("web-",))
NETWORK = (network_range("203.0.113.0/24"),)
MANY_USERS = tuple(f"user{n}" for n in range(11))
# These have few events in all, which are sorted.
SORTED = {
    "a beginning": (EventQuery(hostname=WEB), "INDEX events_hostname (hostname>? AND hostname<?)"),
    "users": (
        EventQuery(user=Texts(MANY_USERS), **SINCE),
        "COVERING INDEX events_user (user=? AND timestamp>?",
    ),
    "a network": (
        EventQuery(sources=NETWORK),
        "COVERING INDEX events_source (source_addr>? AND source_addr<?)",
    ),
    "a network and a host": (
        EventQuery(sources=(*NETWORK, *ADDRESS), hostname=WEB),
        "COVERING INDEX events_source (source_addr>? AND source_addr<?)",
    ),
}


@pytest.fixture(params=["without statistics", "with statistics"])
def connection(request, store, make_row):
    """A connection to a store where half of the events are of one user, for statistics' sake."""
    users = ["root", *(f"user{n}" for n in range(30))]
    store.append([make_row(user=user, source_ip="203.0.113.7") for user in users])
    store.append([make_row(user="root", hostname=f"web-{n}", region="eu") for n in range(30)])
    if request.param == "with statistics":
        store.write(lambda connection: connection.exec_driver_sql("ANALYZE"))
    with store._read_engine.begin() as connection:
        end_at(connection, math.inf)
        yield connection


@pytest.fixture(autouse=True)
def no_time_to_try(monkeypatch):
    """The glance at the newest events and the attempts end at once."""
    monkeypatch.setattr(sqlite_indexes, "GLANCE", 1)
    monkeypatch.setattr(sqlite_indexes, "ATTEMPT", 1)


def statements_for(connection, query, after=None, limit=100):
    """Return the statements that read a page."""
    return asked_for(connection, query, after, limit)[1]


def explained(connection, statement):
    return "\n".join(
        step[-1] for step in driver(connection).execute(f"EXPLAIN QUERY PLAN {statement}")
    )


def plan(connection, query, after=None, which=-1):
    """Return how one of the statements is run that read a page, the last if not told which."""
    return explained(connection, statements_for(connection, query, after)[which])


def stretches(connection, query):
    """Return the statements that read a page forwards."""
    return [one for one in statements_for(connection, query) if "ORDER BY +" in one]


@pytest.mark.parametrize("after", [None, Position(2**60, 5)], ids=["first page", "later page"])
@pytest.mark.parametrize(("query", "index"), ORDERED.values(), ids=ORDERED.keys())
def test_a_page_is_read_in_order_from_an_index(connection, query, index, after):
    steps = plan(connection, query, after, which=0)
    assert index.split("(")[0].strip() in steps
    if after is None:
        assert index in steps
    assert "TEMP B-TREE" not in steps, "the whole result is sorted for one page"


@pytest.mark.parametrize("after", [None, Position(2**60, 5)], ids=["first page", "later page"])
@pytest.mark.parametrize(("query", "index"), SORTED.values(), ids=SORTED.keys())
def test_a_rare_filter_is_read_from_its_index(connection, query, index, after):
    steps = plan(connection, query, after)
    assert index.split("(")[0].strip() in steps
    if after is None:
        assert index in steps
    assert "events_time" not in steps
    assert "SEARCH events USING INTEGER PRIMARY KEY" in steps


@pytest.mark.parametrize(("query", "_index"), SORTED.values(), ids=SORTED.keys())
def test_a_frequent_filter_is_decided_as_time_goes_back(connection, monkeypatch, query, _index):
    monkeypatch.setattr(sqlite_indexes, "MANY", 10)
    steps = plan(connection, query)
    assert "INDEX events_time" in steps
    assert "TEMP B-TREE" not in steps


@pytest.mark.parametrize(
    "query", [EventQuery(), *(query for query, _ in SORTED.values())], ids=["all", *SORTED]
)
def test_free_text_is_looked_for_as_time_goes_on(connection, monkeypatch, query):
    monkeypatch.setattr(sqlite_indexes, "MANY", 10)
    (statement,) = stretches(connection, replace(query, text="x"))
    plan = explained(connection, statement)
    assert "INDEX events_time (timestamp>? AND timestamp<?)" in plan
    opcodes = {step[1] for step in driver(connection).execute(f"EXPLAIN {statement}")}
    assert "Next" in opcodes
    assert "Prev" not in opcodes, "it is read backwards"


@pytest.mark.parametrize(("query", "_index"), SORTED.values(), ids=SORTED.keys())
def test_nothing_is_counted_where_the_newest_events_fill_the_page(
    connection, monkeypatch, query, _index
):
    assert any("count(" in one for one in statements_for(connection, query))
    monkeypatch.setattr(sqlite_indexes, "GLANCE", 10_000)
    (asked,) = statements_for(connection, query, limit=1)
    assert "INDEXED BY events_time" in asked


@pytest.mark.parametrize(("attempt", "counts"), [(5_000, False), (100, True)])
def test_nothing_is_counted_where_a_glance_finds_enough(connection, monkeypatch, attempt, counts):
    """The newest 30 are all wanted, and each takes some 40 steps."""
    monkeypatch.setattr(sqlite_indexes, "GLANCE", 400)
    monkeypatch.setattr(sqlite_indexes, "ATTEMPT", attempt)
    query = EventQuery(user=ROOT, type=Texts(("login",)))
    asked = statements_for(connection, query, limit=20)
    assert any("count(" in statement for statement in asked) == counts
    if not counts:
        assert len(asked) == 1


def indexes_of(statements):
    """Return the index of each statement that reads events."""
    reads = (one for one in statements if "count(" not in one)
    return [found[1] for one in reads if (found := re.search(r"INDEXED BY events_(\w+)", one))]


LOGIN = Texts(("login",))


@pytest.mark.parametrize(
    ("query", "indexes"),
    [
        # The index of the user has the type as well: no event need be looked up.
        (EventQuery(user=ROOT, type=LOGIN), ["user", "time"]),
        (EventQuery(hostname=WEB, type=LOGIN), ["time"]),
        # Neither has what the other one asks for.
        (EventQuery(user=ROOT, hostname=WEB_1), ["user", "hostname", "time"]),
        (EventQuery(user=ROOT, type=LOGIN, flagged=True), ["user", "type", "time"]),
        (EventQuery(user=ROOT, type=LOGIN, text="x"), ["user", "type", "time"]),
    ],
)
def test_which_ways_are_glanced_at(connection, query, indexes):
    glances = list(
        itertools.takewhile(lambda one: "facets" not in one, asked_of(connection, query))
    )
    assert indexes_of(glances) == indexes


def asked_of(connection, query):
    return statements_for(connection, query, limit=60)


@pytest.mark.parametrize(
    ("query", "goes_on"),
    [
        (EventQuery(user=ROOT, type=LOGIN), True),
        (EventQuery(user=ROOT, region=EU), False),
    ],
)
def test_where_events_are_looked_up_a_glance_must_find_more(
    connection, monkeypatch, query, goes_on
):
    """It finds ten of 60, and to read the others by the index takes some 1,500 steps."""
    monkeypatch.setattr(sqlite_indexes, "GLANCE", 400)
    monkeypatch.setattr(sqlite_indexes, "ATTEMPT", 5_000)
    asked = asked_of(connection, query)
    assert indexes_of(asked[:2]) == (["user"] if goes_on else ["user", "time"])


def whole(connection, query):
    """Return the indexes that are read as a whole: between what is counted first and by time."""
    asked = asked_of(connection, query)
    counted = next(n for n, one in enumerate(asked) if "count(" in one)
    return list(itertools.takewhile(lambda index: index != "time", indexes_of(asked[counted:])))


def test_the_filter_with_the_fewest_events_is_read_first(connection, monkeypatch):
    one_event, flagged = Texts(("web-7",)), {"flagged": True}
    assert whole(connection, EventQuery(user=ROOT, hostname=one_event, **flagged)) == [
        "hostname",
        "user",
    ]
    # Too many to look each of them up.
    monkeypatch.setattr(sqlite_indexes, "FEW", 20)
    assert whole(connection, EventQuery(user=ROOT, hostname=one_event, **flagged)) == ["hostname"]
    assert whole(connection, EventQuery(user=ROOT, **flagged)) == []
    # They need not be.
    assert whole(connection, EventQuery(user=ROOT, type=LOGIN)) == ["user"]


@pytest.mark.parametrize(("look_up", "first"), [(100, "user"), (50, "type")])
def test_what_need_not_be_looked_up_goes_before_all_but_very_few_events(
    connection, monkeypatch, look_up, first
):
    """The type has 61 events, of which the index of the user would have told the user's."""
    monkeypatch.setattr(sqlite_indexes, "LOOK_UP", look_up)
    assert whole(connection, EventQuery(user=ROOT, type=Texts(("login", "x"))))[0] == first


@pytest.mark.parametrize("others", [{}, {"flagged": True}])
def test_a_type_is_told_by_the_index_of_a_range(connection, others):
    """Events of other types are not looked up."""
    asked = asked_of(connection, EventQuery(sources=NETWORK, type=LOGIN, **others))
    keys, _, events = next(one for one in asked if "CROSS JOIN" in one).partition("CROSS JOIN")
    assert "events.type = 'login'" in keys
    assert "events.type = 'login'" not in events
    assert ("WHERE" in events) == bool(others)


def test_only_events_that_must_be_looked_up_are_counted(connection, store, make_row, monkeypatch):
    """The user has many events, but none of one of the types."""
    store.append([make_row(hostname=f"web-{n}", type="sudo") for n in range(11)])
    monkeypatch.setattr(sqlite_indexes, "FEW", 20)
    for type_, first in (("login", []), ("sudo", ["user"])):
        types = Texts((type_, *(f"x{n}" for n in range(10))))
        assert whole(connection, EventQuery(user=ROOT, type=types, flagged=True))[:1] == first


def test_what_is_read_to_the_end_is_counted_as_it_stands(connection):
    """To pass over the other types may take longer than to look up what there is."""
    asked = asked_of(connection, EventQuery(user=ROOT, type=LOGIN, flagged=True))
    (count, *_) = [one for one in asked if f"LIMIT {sqlite_indexes.MANY}" in one]
    assert "events.user = 'root'" in count
    assert "events.type" not in count


def test_all_that_a_filter_counts_has_one_bound(connection, monkeypatch):
    bounds = []

    def noting(connection, statement, values, bound):
        if "most" in values and bound is not None:
            bounds.append(bound.steps)
        return rows_within(connection, statement, values, bound)

    monkeypatch.setattr(sqlite_indexes, "rows_within", noting)
    asked_of(connection, EventQuery(user=Texts((), ("a", "b", "c", "d")), flagged=True))
    assert len(bounds) == 4
    assert sum(bounds) <= sqlite_indexes.COUNTING


def test_counting_ends_in_time(connection, monkeypatch):
    monkeypatch.setattr(sqlite_indexes, "COUNTING", 1)
    assert whole(connection, EventQuery(user=ROOT, flagged=True)) == []


@pytest.mark.parametrize(("limit", "is_counted"), [(30, False), (1_000, True)])
def test_nothing_is_counted_where_a_tenth_is_found_as_time_goes_back(
    connection, monkeypatch, limit, is_counted
):
    monkeypatch.setattr(sqlite_indexes, "FEW", 5)
    monkeypatch.setattr(sqlite_indexes, "ATTEMPT", 300)
    asked = statements_for(connection, EventQuery(hostname=WEB, flagged=False), limit=limit)
    assert any(f"LIMIT {sqlite_indexes.MANY}" in one for one in asked) == is_counted


@pytest.mark.parametrize(("query", "index"), SORTED.values(), ids=SORTED.keys())
def test_an_attempt_with_an_index_may_be_all_it_takes(connection, monkeypatch, query, index):
    monkeypatch.setattr(sqlite_indexes, "ATTEMPT", 10_000)
    assert len(indexes_of(statements_for(connection, query))) == 2
    assert index in plan(connection, query)


def test_of_several_filters_a_rare_one_is_read(connection, monkeypatch):
    # The user has 31 events, of which the glance passes over one.
    monkeypatch.setattr(sqlite_indexes, "MANY", 29)
    login, user7 = Texts(("login",)), Texts(("user7",))
    host = Texts(("web-7",))
    assert "events_user (user=?" in plan(connection, EventQuery(user=user7, type=login))
    assert "events_hostname (hostname=?" in plan(connection, EventQuery(user=ROOT, hostname=host))
    assert "events_time" in plan(connection, EventQuery(sources=NETWORK, type=login, text="x"))


def test_a_few_values_are_merged_as_they_are_read(connection):
    query = EventQuery(user=Texts(("root", "user1", "user2")), **SINCE)
    for after in (None, Position(2**60, 5)):
        steps = plan(connection, query, after)
        assert steps.count("INDEX events_user (user=? AND timestamp>?") == 3
        assert "MERGE" in steps
        assert "TEMP B-TREE" not in steps, "all that each value has is read for one page"


def test_a_later_page_starts_where_the_one_before_ended(connection):
    steps = plan(connection, EventQuery(hostname=WEB_1), Position(2**60, 5))
    assert "events_hostname (hostname=? AND timestamp<?)" in steps
    steps = plan(connection, EventQuery(region=EU), Position(2**60, 5), which=0)
    assert "events_time (timestamp<?)" in steps


def times_in(statement):
    found = re.search(r"timestamp >= (-?\d+) AND events.timestamp < (-?\d+)", statement)
    return int(found[1]), int(found[2])


def test_stretches_double_and_pass_over_time_without_events(store, make_row):
    begin = datetime(1990, 1, 1, tzinfo=UTC)
    far = 70 * 365 * 24
    for hour in (*range(9), far):
        store.append([make_row(timestamp=(begin + timedelta(hours=hour)).isoformat())])
    with store._read_engine.begin() as connection:
        end_at(connection, math.inf)
        read = [times_in(one) for one in stretches(connection, EventQuery(text="nowhere"))]
    hour, zero = 3_600_000_000, round(begin.timestamp()) * 1_000_000
    assert [(since - zero) // hour for since, _ in read] == [far - 1, 6, 1, -8]
    assert [until for _, until in read[1:]] == [since for since, _ in read[:-1]]


def plan_of(connection, statement):
    """Return the plan of a statement whose parameters do not matter."""
    compiled = statement.compile(connection.engine, compile_kwargs={"render_postcompile": True})
    asked = f"EXPLAIN QUERY PLAN {compiled}"
    values = tuple(compiled.params[name] for name in compiled.positiontup)
    return "\n".join(step[-1] for step in connection.exec_driver_sql(asked, values))


@pytest.mark.parametrize("query", [query for query, _ in ORDERED.values()], ids=ORDERED.keys())
def test_a_stream_goes_by_id_whatever_it_looks_for(connection, query):
    steps = plan_of(connection, select_step(query, 5, 100))
    assert "USING INTEGER PRIMARY KEY (rowid>?)" in steps
    assert "INDEX events" not in steps


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (EventQuery(since=1, until=2), "events_time"),
        (EventQuery(hostname=WEB_1, **SINCE), "events_hostname"),
        (EventQuery(user=ROOT, **SINCE), "events_user"),
        (EventQuery(type=ROOT, **SINCE), "events_type"),
        (EventQuery(sources=ADDRESS, **SINCE), "events_source"),
    ],
)
def test_hours_are_counted_in_an_index_alone(connection, query, index):
    asked = StatsQuery(query, None, 10, range(0), 3_600)
    assert f"COVERING INDEX {index} (" in plan_of(connection, select_totals(asked))


def test_a_repeated_event_id_is_looked_up(connection):
    statement = sa.select(EVENTS.c.id).where(EVENTS.c.event_id == b"x" * 16)
    assert "events_event_id (event_id=?)" in plan_of(connection, statement)


def test_every_column_that_is_filtered_by_is_in_the_index_of_time(connection):
    statement = "SELECT name FROM pragma_index_info('events_time')"
    columns = set(connection.exec_driver_sql(statement).scalars())
    filtered = set(EventQuery.__dataclass_fields__) - {"since", "until", "text", "sources"}
    assert columns == filtered | {"timestamp", "id", "source_addr"}


def test_no_index_is_without_its_query(connection):
    statement = "SELECT name FROM pragma_index_list('events')"
    named = set(connection.exec_driver_sql(statement).scalars())
    used = {index.split(" ")[0] for _, index in ORDERED.values()} | {"events_event_id"}
    assert named == used
