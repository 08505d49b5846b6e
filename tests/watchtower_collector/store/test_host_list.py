"""The list of hosts, and which of them are silent."""

import pytest
import sqlalchemy as sa

from watchtower_collector.event import event_row, parse_event
from watchtower_collector.store.host_list import HostQuery, host_page, is_silent
from watchtower_collector.store.matching import Texts
from watchtower_collector.store.schema import HOSTS

SECOND = 1_000_000


@pytest.fixture
def heard(store):
    """A function that stores one event of a host, received at a second."""

    def say(hostname, at, kind="heartbeat"):
        event = {"type": kind, "hostname": hostname, "timestamp": "1970-01-01T00:00:00Z"}
        store.append([event_row(parse_event(event), received_at=at * SECOND)])

    return say


def names(store, after=None, limit=100, **query):
    query = HostQuery(silent_before=50 * SECOND, **query)
    found = store.read(lambda connection: host_page(connection, query, after, limit))
    return [host["hostname"] for host in found]


@pytest.fixture
def fleet(store, heard):
    heard("b", 10)
    heard("a", 49)
    heard("c", 50)
    heard("never-beat", 10, "login")
    heard("spoke-again", 10)
    heard("spoke-again", 60, "login")
    return store


def test_hosts_come_by_name_and_page_by_page(fleet):
    assert names(fleet) == ["a", "b", "c", "never-beat", "spoke-again"]
    assert names(fleet, limit=2) == ["a", "b"]
    assert names(fleet, after="b", limit=2) == ["c", "never-beat"]


def test_a_silent_host_once_sent_a_heartbeat_and_now_nothing(fleet):
    assert names(fleet, silent=True) == ["a", "b"]
    assert names(fleet, silent=False) == ["c", "never-beat", "spoke-again"]


def test_database_and_program_agree_on_who_is_silent(fleet):
    rows = fleet.read(lambda connection: connection.execute(sa.select(HOSTS)).mappings().all())
    silent = sorted(row["hostname"] for row in rows if is_silent(dict(row), 50 * SECOND))
    assert silent == names(fleet, silent=True)


def test_names_and_beginnings_of_names(fleet):
    assert names(fleet, hostname=Texts(exact=("a", "x"), prefixes=("never",))) == [
        "a",
        "never-beat",
    ]
