"""Facets know of every event; what they do not have is not looked for."""

import sqlite3

import pytest
import sqlalchemy as sa
from asked_statements import asked_for

from watchtower_collector.store import facets, sqlite_indexes
from watchtower_collector.store.matching import Texts
from watchtower_collector.store.migrations import STEPS, migrate
from watchtower_collector.store.query import EventQuery
from watchtower_collector.store.retention import CHUNK, forget_facets
from watchtower_collector.store.schema import EVENTS, FACETS, LAST_ID_LAG

NAMES = ("hostname", "type", "method", "region", "host_group", "severity")
COMBINATIONS = (
    "SELECT DISTINCT hostname, type, coalesce(method, ''), coalesce(region, ''), "
    "coalesce(host_group, ''), coalesce(severity, '') FROM events ORDER BY 1, 2, 3, 4, 5, 6"
)
EU, LOGIN, SUDO = Texts(("eu",)), Texts(("login",)), Texts(("sudo",))


@pytest.fixture(autouse=True)
def no_time_to_try(monkeypatch):
    """Attempts end at once, as they do where events that match are millions of others away."""
    monkeypatch.setattr(sqlite_indexes, "GLANCE", 1)
    monkeypatch.setattr(sqlite_indexes, "ATTEMPT", 1)


def known(store):
    columns = [FACETS.c[name] for name in NAMES]
    select = sa.select(*columns).order_by(*columns)
    return [tuple(row) for row in store.read(lambda c: c.execute(select).all())]


def combinations(store):
    return [tuple(row) for row in store.read(lambda c: c.exec_driver_sql(COMBINATIONS).fetchall())]


def ask(store, query, limit=100):
    """Return the page, and the statements that were run for it."""
    return store.read(lambda connection: asked_for(connection, query, limit=limit))


def test_whichever_way_an_event_is_stored_it_is_known(store, make_row):
    store.append([make_row(method="password"), make_row(), make_row(region="eu")])
    again = make_row(type="sudo", event_id="f" * 32)
    # The second of one id is another event, which is stored beside the first.
    store.append([again, again, make_row(event_id="f" * 32, host_group="web")])
    # One that SQLite refuses lets the others be stored one by one.
    outcomes = store.append([make_row(severity="high"), make_row() | {"timestamp": 2**70}])
    assert [type(outcome).__name__ for outcome in outcomes] == ["Stored", "Refused"]
    assert known(store) == combinations(store)
    assert len(known(store)) == 6


def test_what_there_is_not_is_not_looked_for(store, make_row):
    hosts = [f"web-{n}" for n in range(20)]
    store.append([make_row(hostname=name, type="login", region="eu") for name in hosts])
    store.append([make_row(hostname=name, type="sudo", region="us") for name in hosts])
    for query in (
        EventQuery(region=Texts(("mars",))),
        EventQuery(method=Texts(prefixes=("pass",)), text="x"),
        EventQuery(region=EU, type=SUDO),
        EventQuery(hostname=Texts(("web-1",)), type=Texts(("su",))),
    ):
        found, asked = ask(store, query)
        assert found == []
        assert "FROM facets" in asked[-1], query


def test_what_few_hosts_have_is_read_from_these(store, make_row):
    store.append([make_row(hostname=f"web-{n}", region="us") for n in range(20)])
    store.append([make_row(hostname="db-1", region="us"), make_row(hostname="db-1", region="eu")])
    query = EventQuery(region=EU, type=LOGIN)
    found, asked = ask(store, query)
    assert [(row["hostname"], row["region"]) for row in found] == [("db-1", "eu")]
    assert "INDEXED BY events_hostname" in asked[-1] + asked[-2]
    everywhere = EventQuery(region=Texts(("us",)), type=LOGIN)
    found, asked = ask(store, everywhere)
    assert len(found) == 21
    assert not any("hostname = " in statement for statement in asked)


def test_a_host_among_others_that_were_asked_for(store, make_row):
    """Its own filter gives way to the hosts, and none that was not asked for comes in."""
    for host in ("a-1", "a-2", "b-1"):
        store.append([make_row(hostname=host, region="eu"), make_row(hostname=host)])
    for wanted, expected in (
        (Texts(("a-2", "c")), {"a-2"}),
        (Texts(("a-1", "b-1")), {"a-1", "b-1"}),
        (Texts(prefixes=("a-",)), {"a-1", "a-2"}),
    ):
        found, _ = ask(store, EventQuery(hostname=wanted, region=EU))
        assert sorted(row["hostname"] for row in found) == sorted(expected)


def test_hosts_that_narrow_nothing_are_not_read_from(store, make_row):
    """They are all that there are, and a page of each would be read before the first event."""
    for host in ("a-1", "a-2"):
        store.append([make_row(hostname=host, region="eu"), make_row(hostname=host)])
    for query in (EventQuery(region=EU), EventQuery(region=EU, text="a-")):
        found, asked = ask(store, query)
        assert {row["hostname"] for row in found} == {"a-1", "a-2"}
        assert not any("INDEXED BY events_hostname" in statement for statement in asked)


def is_looked_at(store, query):
    """Return the page, and whether the events of hosts were asked for their region."""
    found, asked = ask(store, query)
    reads = [one for one in asked if "BY events_hostname" in one and "count(" not in one]
    (is_asked,) = {"AND events.region " in one or "WHERE events.region " in one for one in reads}
    return found, is_asked


@pytest.fixture
def many(store, make_row):
    """A store with hosts of another region, so that those of the tests are few."""
    store.append([make_row(hostname=f"web-{n}", region="us") for n in range(20)])
    return store


def test_a_label_that_a_host_always_has_is_not_looked_at(many, make_row):
    """No index by host has it: each event would be looked up."""
    many.append([make_row(hostname="db-1", region="eu", type=type_) for type_ in ("login", "su")])
    found, is_asked = is_looked_at(many, EventQuery(region=EU, type=LOGIN))
    assert [row["type"] for row in found] == ["login"]
    assert not is_asked


@pytest.mark.parametrize("type_", ["login", "sudo"])
def test_a_label_that_a_host_has_not_always_is_looked_at(many, make_row, type_):
    many.append([make_row(hostname="db-1", region="eu"), make_row(hostname="db-2", region="eu")])
    many.append([make_row(hostname="db-2", region="us", type=type_)])
    found, is_asked = is_looked_at(many, EventQuery(region=EU, type=LOGIN))
    assert [row["hostname"] for row in found] == ["db-2", "db-1"]
    assert is_asked == (type_ == "login"), "what the host has of other types does not matter"


def test_an_event_without_a_label_begins_with_nothing(many, make_row):
    """``region=*`` wants those that have one."""
    many.append([make_row(hostname="db-1", region="eu"), make_row(hostname="db-1")])
    query = EventQuery(hostname=Texts(prefixes=("db-",)), region=Texts(prefixes=("",)))
    found, is_asked = is_looked_at(many, query)
    assert [row["region"] for row in found] == ["eu"]
    assert is_asked


def test_the_labels_of_a_host_with_too_many_combinations_are_looked_at(many, make_row):
    rows = [make_row(hostname="db-1", method=f"made-up-{n}", region="eu") for n in range(600)]
    many.append([*rows, make_row(hostname="db-1", region="mars")])
    found, is_asked = is_looked_at(many, EventQuery(region=EU, type=LOGIN))
    assert {row["region"] for row in found} == {"eu"}
    assert is_asked


def test_filters_that_are_implied_are_told_one_by_one(many, make_row):
    for method in ("password", "publickey"):
        many.append([make_row(hostname="db-1", region="eu", method=method)])
    query = EventQuery(region=EU, method=Texts(("password",)))
    found, is_asked = is_looked_at(many, query)
    assert [row["method"] for row in found] == ["password"]
    assert not is_asked


def test_facets_that_are_not_read_soon_are_done_without(store, make_row, monkeypatch):
    store.append([make_row(method=f"made-up-{n}") for n in range(200)])
    store.append([make_row(hostname="web-2", region="eu")])
    for steps, is_soon in ((facets._STEPS, True), (100, False)):
        monkeypatch.setattr(facets, "_STEPS", steps)
        found, _ = ask(store, EventQuery(region=EU))
        assert [row["hostname"] for row in found] == ["web-2"]
        found, asked = ask(store, EventQuery(region=Texts(("mars",))))
        assert found == []
        assert ("FROM facets" in asked[-1]) == is_soon


def test_who_floods_facets_fills_no_disk_and_hides_nothing(store, make_row):
    store.append([make_row(hostname="web-2", region="eu")])
    for start in range(0, 1_200, 400):
        rows = [make_row(method=f"made-up-{n}") for n in range(start, start + 400)]
        store.append(rows)
    assert len(known(store)) == 1 + 501
    for method in ("made-up-0", "made-up-1199", "nothing-like-it"):
        found, asked = ask(store, EventQuery(method=Texts((method,))))
        assert [row["method"] for row in found] == [method] * (
            method in {"made-up-0", "made-up-1199"}
        )
        assert "FROM facets" not in asked[-1], "web-1 may have anything"
    found, asked = ask(store, EventQuery(hostname=Texts(("web-2",)), method=Texts(("x",))))
    assert found == []
    assert "FROM facets" in asked[-1], "what is known of others stays"


def test_labels_that_somebody_corrects_are_known(store, make_row):
    store.append([make_row(region="ue"), make_row(hostname="web-2")])
    correct = sa.update(EVENTS).where(EVENTS.c.region == "ue").values(region="eu")
    store.write(lambda c: c.execute(correct))
    found, _ = ask(store, EventQuery(region=EU))
    assert [row["region"] for row in found] == ["eu"]


def test_the_events_of_before_are_known(tmp_path):
    connection = sqlite3.connect(tmp_path / "watchtower.db", isolation_level=None)
    migrate(connection, STEPS[:5])
    connection.executemany(
        "INSERT INTO events (hostname, type, method, region, id, timestamp, received_at, flagged, "
        "trusted, ambiguous) VALUES (?, ?, ?, ?, ?, 1, 1, 0, 1, 0)",
        [
            ("a", "login", "password", "eu", 1),
            ("a", "login", "password", "eu", LAST_ID_LAG),
            ("b", "login", None, None, 3 * LAST_ID_LAG),
            ("a", "login", "password", "eu", 4 * LAST_ID_LAG),
        ],
    )
    assert migrate(connection) == 5
    rows = connection.execute(f"SELECT {', '.join(NAMES)}, last_id FROM facets ORDER BY last_id")
    assert rows.fetchall() == [
        ("b", "login", "", "", "", "", 3 * LAST_ID_LAG),
        ("a", "login", "password", "eu", "", "", 4 * LAST_ID_LAG),
    ]
    connection.close()


def delete_up_to(store, last):
    store.write(lambda c: c.execute(sa.delete(EVENTS).where(EVENTS.c.id <= last)))


def give_id(store, number):
    """Let the next event have this id."""
    statement = "UPDATE sqlite_sequence SET seq = ? WHERE name = 'events'"
    store.write(lambda c: c.exec_driver_sql(statement, (number - 1,)))


def test_what_is_gone_is_forgotten_and_nothing_else(store, make_row):
    store.append([make_row(hostname="gone"), make_row(hostname="quiet")])
    give_id(store, LAST_ID_LAG)
    # Too near to the one before to be noted: for all that facets know, its last is the second.
    store.append([make_row(hostname="quiet"), make_row(hostname="busy")])
    assert store.write(forget_facets) == 0
    delete_up_to(store, 2)
    assert store.write(forget_facets) == 0
    give_id(store, 3 * LAST_ID_LAG)
    store.append([make_row(hostname="busy")])
    delete_up_to(store, LAST_ID_LAG - 1)
    assert store.write(forget_facets) == 0
    delete_up_to(store, LAST_ID_LAG)
    assert store.write(forget_facets) == 1
    assert [row[0] for row in known(store)] == ["busy", "quiet"]
    delete_up_to(store, 2 * LAST_ID_LAG)
    assert store.write(forget_facets) == 1
    assert known(store) == combinations(store)


def test_an_empty_store_forgets_all_and_many_go_in_chunks(store, make_row):
    store.append([make_row(hostname=f"host-{n}") for n in range(CHUNK + 1)])
    assert store.write(forget_facets) == 0
    delete_up_to(store, 2 * CHUNK)
    assert [store.write(forget_facets) for _ in range(3)] == [CHUNK, 1, 0]
