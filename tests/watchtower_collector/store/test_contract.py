"""What every store promises."""

import pytest
import sqlalchemy as sa

from watchtower_collector.addresses import network_range
from watchtower_collector.store import Duplicate, Refused, Stored, StoreUnavailableError
from watchtower_collector.store.event_identity import id_beside
from watchtower_collector.store.matching import Texts
from watchtower_collector.store.query import EventQuery, Position, page
from watchtower_collector.store.schema import AUDIT
from watchtower_collector.timestamps import parse_rfc3339

EVERYTHING = EventQuery()
NOTE = {
    "at": 1,
    "key": "current",
    "address": "127.0.0.1",
    "method": "GET",
    "path": "/events",
    "query": "",
    "status": 200,
}


def read_page(store, query, after, limit):
    return store.read(lambda connection: page(connection, query, after, limit))


def all_rows(store, query=EVERYTHING):
    return read_page(store, query, None, 1_000)


def hosts(store, **query):
    return [row["hostname"] for row in all_rows(store, EventQuery(**query))]


def hosts_from(store, *networks):
    return hosts(store, sources=tuple(network_range(network) for network in networks))


def test_an_event_comes_back_as_it_was_given(store, make_row):
    given = make_row(
        user="älice",
        method="publickey",
        source_ip="203.0.113.7",
        source_port=22,
        flagged=True,
        spool_depth=(1 << 63) - 1,
        newer_field="kept",
    )
    (outcome,) = store.append([given])
    assert all_rows(store) == [{**given, "id": outcome.id}]


def test_ids_grow_and_come_in_order(store, make_row):
    first = store.append([make_row(), make_row()])
    second = store.append([make_row()])
    ids = [outcome.id for outcome in first + second]
    assert ids == sorted(set(ids))


def test_a_repeated_event_id_is_stored_once(store, make_row):
    row = make_row()
    (first,) = store.append([row])
    assert store.append([row, make_row()])[0] == Duplicate(first.id)
    assert len(all_rows(store)) == 2


def test_a_repeated_event_id_within_a_batch(store, make_row):
    row = make_row()
    first, second = store.append([row, {**row}])
    assert isinstance(first, Stored)
    assert second == Duplicate(first.id)
    assert len(all_rows(store)) == 1


def test_a_large_batch_that_is_sent_again_is_recognized(store, make_row):
    rows = [make_row() for _ in range(1_500)]
    ids = [outcome.id for outcome in store.append(rows)]
    again = store.append([*rows, make_row()])
    assert again[:-1] == [Duplicate(id_) for id_ in ids]
    assert isinstance(again[-1], Stored)


ID = "ab" * 16
OTHERWISE = {
    "hostname": "web-2",
    "type": "heartbeat",
    "timestamp": "2026-03-14T09:26:54Z",
    "user": "bob",
    "source_ip": "203.0.113.8",
    "raw_message": "Accepted password for bob",
}


@pytest.fixture
def make_taken(make_row):
    """A function that returns a row of one and the same id."""

    def make(**fields):
        alike = {"user": "alice", "source_ip": "203.0.113.7", "raw_message": "Accepted", **fields}
        return make_row(event_id=ID, **alike)

    return make


@pytest.mark.parametrize("field", OTHERWISE)
@pytest.mark.parametrize("value", ["another", "none"])
def test_an_id_that_is_taken_hides_no_other_event(store, make_taken, field, value):
    """Whoever has an agent's token can know the ids of other hosts' events, and use them first."""
    needed = {"hostname", "type", "timestamp"}
    other = OTHERWISE[field] if value == "another" or field in needed else None
    first, hidden = make_taken(), make_taken(**{field: other})
    (one,) = store.append([first])
    (two,) = store.append([hidden])
    assert isinstance(two, Stored)
    assert store.append([hidden, first]) == [Duplicate(two.id), Duplicate(one.id)]
    rows = {row["id"]: row for row in all_rows(store)}
    assert rows.keys() == {one.id, two.id}
    assert rows[one.id]["event_id"] == bytes.fromhex(ID)
    given = {**hidden, "event_id": rows[two.id]["event_id"], "id": two.id}
    assert rows[two.id] == given, "but for the id it is what was given"
    assert len(rows[two.id]["event_id"]) == 16
    assert rows[two.id]["event_id"] != bytes.fromhex(ID)


def test_an_event_is_the_same_whatever_its_labels(store, make_taken):
    """An agent reads an entry again after its labels were changed, and after an upgrade."""
    (first,) = store.append([make_taken()])
    again = make_taken(
        region="eu", host_group="web", severity="high", flagged=True, agent_version="2", tty="x"
    )
    again["received_at"] += 1
    assert store.append([again]) == [Duplicate(first.id)]
    assert len(all_rows(store)) == 1


def test_a_gap_that_is_reported_again_is_the_same_whatever_its_ends(store, make_taken):
    (first,) = store.append([make_taken(type="journal_gap")])
    again = make_taken(type="journal_gap", timestamp="2026-03-15T00:00:00Z", raw_message="more")
    assert store.append([again]) == [Duplicate(first.id)]
    (other,) = store.append([{**again, "hostname": "web-2"}])
    assert isinstance(other, Stored)


def test_different_events_of_one_id_in_one_batch(store, make_taken, make_row):
    rows = [make_taken(user="a"), make_taken(user="b"), make_row(), make_taken(user="c")]
    once = store.append([*rows, make_taken(user="b"), make_taken(user="a")])
    assert all(isinstance(outcome, Stored) for outcome in once[:4])
    assert once[4:] == [Duplicate(once[1].id), Duplicate(once[0].id)]
    assert store.append(rows) == [Duplicate(outcome.id) for outcome in once[:4]]
    assert [row["user"] for row in all_rows(store) if row["user"]] == ["c", "b", "a"]


def test_many_events_of_taken_ids_are_stored_and_recognized(store, make_row):
    ids = [f"{number:032x}" for number in range(1, 1_502)]
    store.append([make_row(event_id=event_id, hostname="bad") for event_id in ids])
    rows = [make_row(event_id=event_id) for event_id in ids]
    outcomes = store.append(rows)
    assert all(isinstance(outcome, Stored) for outcome in outcomes)
    assert store.append(rows) == [Duplicate(outcome.id) for outcome in outcomes]


def test_a_taken_id_in_a_batch_of_which_the_database_refuses_a_row(store, make_taken, make_row):
    (first,) = store.append([make_taken()])
    rows = [make_taken(), make_taken(user="b"), {**make_row(), "hostname": None}, make_taken()]
    again, other, refused, once_more = store.append(rows)
    assert (again, once_more) == (Duplicate(first.id), Duplicate(first.id))
    assert isinstance(other, Stored)
    assert isinstance(refused, Refused)
    assert {row["id"] for row in all_rows(store)} == {first.id, other.id}


def test_ids_beside_a_taken_one_that_are_taken_as_well_hide_nothing_either(store, make_taken):
    """They are no secret. Who takes several makes the event unrecognizable, at the most."""
    genuine = make_taken(user="alice")
    taken = [genuine["event_id"]]
    for _ in range(5):
        taken.append(id_beside({**genuine, "event_id": taken[-1]}))
    for count in range(1, 6):
        store.append([{**make_taken(user="bad"), "event_id": taken[count - 1]}])
        (outcome,) = store.append([genuine])
        stored = {row["id"]: row["user"] for row in all_rows(store)}
        assert stored[outcome.id] == "alice"
    assert sum(user == "alice" for user in stored.values()) <= 5


def test_a_taken_id_is_said_with_both_hosts_and_not_a_thousand_times(store, make_taken, caplog):
    store.append([make_taken(hostname="bad")])
    store.append([make_taken(hostname=f"web-{number}\n") for number in range(1_000)])
    (line,) = [record.getMessage() for record in caplog.records]
    assert ID in line
    assert "'bad'" in line
    assert r"'web-0\n'" in line


def test_without_an_event_id_nothing_is_recognized(store, make_row):
    row = make_row(event_id=None)
    first, second = store.append([row, row])
    assert isinstance(first, Stored)
    assert isinstance(second, Stored)
    assert first.id != second.id


@pytest.mark.parametrize(
    "damage",
    [
        {"hostname": None},
        {"source_port": "http"},
        {"spool_depth": 1 << 64},
        {"user": "\ud800"},
        {"event_id": b"short"},
    ],
    ids=lambda damage: next(iter(damage)),
)
def test_a_row_that_the_database_refuses_does_not_take_the_others_down(store, make_row, damage):
    bad = {**make_row(), **damage}
    repeated = make_row()
    before, refused, after, duplicate = store.append([repeated, bad, make_row(), repeated])
    assert isinstance(before, Stored)
    assert isinstance(refused, Refused)
    assert isinstance(after, Stored)
    assert duplicate == Duplicate(before.id)
    assert {row["id"] for row in all_rows(store)} == {before.id, after.id}


def test_an_id_never_comes_back(store, make_row):
    """Not even when the newest event is gone: it was acknowledged under that id."""
    (newest,) = store.append([make_row()])
    with store._write_engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM events")
    (next_one,) = store.append([make_row()])
    assert next_one.id > newest.id


def test_newest_first_then_by_id(store, make_row):
    times = ["2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-01T00:00:00Z"]
    a, b, c = store.append([make_row(timestamp=time) for time in times])
    (d,) = store.append([make_row(timestamp=times[1])])
    assert [row["id"] for row in all_rows(store)] == [d.id, b.id, a.id, c.id]


def test_pages_join_without_gap_or_overlap_while_events_arrive(store, make_row):
    minutes = [f"2026-01-01T00:{n // 3:02}:00Z" for n in range(50)]  # three share each minute
    store.append([make_row(timestamp=minute) for minute in minutes])
    before = [row["id"] for row in all_rows(store)]
    seen, after = [], None
    while rows := read_page(store, EVERYTHING, after, 7):
        seen += [row["id"] for row in rows]
        after = Position(rows[-1]["timestamp"], rows[-1]["id"])
        store.append([make_row(timestamp="2026-01-02T00:00:00Z")])
    assert seen == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user", "alice"),
        ("method", "password"),
        ("region", "eu"),
        ("host_group", "web"),
        ("severity", "high"),
        ("type", "sudo"),
    ],
)
def test_a_filter_is_exact(store, make_row, field, value):
    other = {"type": "su"}.get(field, value.upper())
    store.append([make_row(hostname="yes", **{field: value})])
    store.append([make_row(hostname="no", **{field: other}), make_row(hostname="none")])
    assert hosts(store, **{field: Texts((value,))}) == ["yes"]


def test_the_filter_of_the_host(store, make_row):
    store.append([make_row(hostname=name) for name in ("web-1", "web-10", "WEB-1")])
    assert hosts(store, hostname=Texts(("web-1",))) == ["web-1"]


def test_the_filter_flagged(store, make_row):
    store.append([make_row(hostname="yes", flagged=True), make_row(hostname="no")])
    assert hosts(store, flagged=True) == ["yes"]
    assert hosts(store, flagged=False) == ["no"]


def test_a_range_of_time_includes_its_start_only(store, make_row):
    times = [f"2026-01-0{day}T00:00:00Z" for day in (1, 2, 3)]
    store.append([make_row(hostname=time, timestamp=time) for time in times])
    since, until = parse_rfc3339(times[1]), parse_rfc3339(times[2])
    assert hosts(store, since=since, until=until) == [times[1]]


def test_a_range_of_addresses_includes_both_ends(store, make_row):
    addresses = ["203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0", "2001:db8::1"]
    store.append([make_row(hostname=address, source_ip=address) for address in addresses])
    store.append([make_row(hostname="none")])
    assert set(hosts_from(store, "203.0.113.0/24")) == set(addresses[1:3])
    assert hosts_from(store, "203.0.114.0") == ["203.0.114.0"]
    assert hosts_from(store, "2001:db8::/32") == ["2001:db8::1"]
    assert set(hosts_from(store, "2001:db8::/32", "203.0.114.0")) == set(addresses[3:])


def test_several_texts_and_beginnings_of_texts(store, make_row):
    store.append([make_row(hostname=name) for name in ("web-1", "web-2", "db-1", "db-2", "dns")])
    assert set(hosts(store, hostname=Texts(("db-1", "dns"), ("web-",)))) == {
        *("web-1", "web-2", "db-1", "dns")
    }


@pytest.mark.parametrize(
    "field", ["raw_message", "user", "source_ip", "key_fingerprint", "certificate_id"]
)
def test_text_is_found_where_it_may_stand(store, make_row, field):
    store.append([make_row(hostname="yes", **{field: "a.Needle.b"}), make_row(hostname="no")])
    assert hosts(store, text="nEEdle") == ["yes"]


def test_the_wildcards_of_like_are_text(store, make_row):
    store.append([make_row(hostname="yes", user="100%_a"), make_row(hostname="no", user="100xya")])
    assert hosts(store, text="0%_") == ["yes"]


def test_all_filters_together(store, make_row):
    store.append([make_row(hostname="web-1", user="a"), make_row(hostname="web-1", user="b")])
    store.append([make_row(hostname="web-2", user="a")])
    query = EventQuery(hostname=Texts(("web-1",)), user=Texts(("a",)), type=Texts(("login",)))
    assert len(all_rows(store, query)) == 1


def test_a_probe_changes_no_event(store, make_row):
    store.append([make_row()])
    before = all_rows(store)
    store.probe()
    assert all_rows(store) == before


def test_a_write_is_kept_or_undone_as_a_whole(store):
    def count(connection):
        return connection.execute(sa.select(sa.func.count()).select_from(AUDIT)).scalar_one()

    def note(connection):
        connection.execute(sa.insert(AUDIT).values(NOTE))
        return "noted"

    def fail(connection):
        note(connection)
        raise LookupError("changed its mind")

    assert store.write(note) == "noted"
    with pytest.raises(LookupError, match="changed its mind"):
        store.write(fail)
    assert store.read(count) == 1
    store.write(note)
    assert store.read(count) == 2, "a write that failed stands in nobody's way"


def test_a_read_can_write_nothing(store):
    with pytest.raises(StoreUnavailableError):
        store.read(lambda connection: connection.execute(sa.insert(AUDIT).values(NOTE)))
