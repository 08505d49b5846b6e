"""Statements that may take only so many steps, or only until a moment."""

import math

import pytest
import sqlalchemy as sa

from watchtower_collector.store import StoreUnavailableError
from watchtower_collector.store.schema import EVENTS
from watchtower_collector.store.sqlite_steps import Bound, end_at, rows_within

EVENTS_BY_ID = sa.select(EVENTS).where(EVENTS.c.id > sa.bindparam("after")).order_by(EVENTS.c.id)
FROM_THE_FIRST = {"after": 0}
COUNT = 100


@pytest.fixture
def filled(store, make_row):
    store.append([make_row() for _ in range(COUNT)])
    return store


def ids_within(store, bound):
    rows, is_all = store.read(lambda c: rows_within(c, EVENTS_BY_ID, FROM_THE_FIRST, bound))
    return [row["id"] for row in rows], is_all


@pytest.mark.parametrize("bound", [None, Bound(1_000_000), Bound(500, 1, 1_000_000)])
def test_all_rows_when_there_is_time(filled, bound):
    assert ids_within(filled, bound) == (list(range(1, COUNT + 1)), True)


@pytest.mark.parametrize("steps", [1, 500, 2_000])
def test_the_first_rows_when_there_is_not(filled, steps):
    ids, is_all = ids_within(filled, Bound(steps))
    assert not is_all
    assert ids == list(range(1, len(ids) + 1))
    assert len(ids) < COUNT
    assert bool(ids) == (steps > 1)


@pytest.mark.parametrize(("enough", "goes_on"), [(5, True), (21, False)])
def test_there_is_more_time_when_enough_is_found_soon(filled, enough, goes_on):
    """A row takes some 30 steps."""
    ids, is_all = ids_within(filled, Bound(500, enough, 1_500))
    assert not is_all
    assert ids == list(range(1, len(ids) + 1))
    assert (len(ids) > 20) == goes_on


def test_what_is_within_the_bound_once_is_so_each_time(filled):
    """SQLite goes on counting where the last run of the same statement ended."""
    assert all(ids_within(filled, Bound(20_000))[1] for _ in range(50))


def test_what_comes_after_an_interrupt_is_of_the_same_moment(filled, make_row):
    def work(connection):
        rows, _ = rows_within(connection, EVENTS_BY_ID, FROM_THE_FIRST, Bound(500))
        assert rows
        filled.append([make_row()])
        rows, _ = rows_within(connection, EVENTS_BY_ID, FROM_THE_FIRST, None)
        return len(rows)

    assert filled.read(work) == COUNT


def test_the_deadline_holds_after_an_interrupt(filled):
    endless = sa.text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    )

    def work(connection):
        end_at(connection, -math.inf)
        rows_within(connection, EVENTS_BY_ID, FROM_THE_FIRST, Bound(1))
        connection.execute(endless)

    with pytest.raises(StoreUnavailableError) as caught:
        filled.read(work)
    assert caught.value.reason == "too_slow"


def test_the_deadline_holds_within_a_bound(filled):
    def work(connection):
        end_at(connection, -math.inf)
        return rows_within(connection, EVENTS_BY_ID, FROM_THE_FIRST, Bound(8_000))

    rows, is_all = filled.read(work)
    assert not is_all
    assert len(rows) < COUNT


def test_another_error_is_no_interrupt(filled):
    broken = sa.select(sa.text("1 FROM nowhere"))
    with pytest.raises(StoreUnavailableError, match="no such table: nowhere"):
        filled.read(lambda c: rows_within(c, broken, {}, Bound(1_000)))


def test_a_parameter_without_a_value_is_a_mistake(filled):
    """As NULL it would match nothing, and hide what there is."""
    with pytest.raises(KeyError, match="after"):
        filled.read(lambda c: rows_within(c, EVENTS_BY_ID, {}, None))
