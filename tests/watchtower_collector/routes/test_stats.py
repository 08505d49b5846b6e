from typing import get_args

import pytest

from watchtower_collector.routes.stats import By
from watchtower_collector.store import stats as stats_of_the_store


def stats(client, admin, query):
    response = client.get(f"/stats?{query}", headers=admin)
    assert response.status_code == 200, response.text
    return response.json()


def shape(document):
    """Return the counts as (hour of the day or day, value, count), the rest as ``...``."""
    found = []
    for count in document["counts"]:
        time = count["time"] and count["time"][8:13]
        found.append((time, ... if count.get("other") else count["value"], count["count"]))
    return found


DAY = "since=2026-01-01&until=2026-01-02"


@pytest.fixture
def day(client, make_event):
    """Three logins of alice, two of bob, one of carol, one event without a user."""
    stamps = ["00:00:00", "00:59:59.999999", "03:30:00"]
    events = [make_event(user="alice", timestamp=f"2026-01-01T{stamp}Z") for stamp in stamps]
    events += [make_event(user="bob", timestamp=f"2026-01-01T{stamp}Z") for stamp in stamps[:2]]
    events += [make_event(user="carol", type="sudo", timestamp="2026-01-01T03:00:00Z")]
    events += [make_event(user=..., type="heartbeat", timestamp="2026-01-01T23:59:59Z")]
    events += [make_event(user="before", timestamp="2025-12-31T23:59:59.999999Z")]
    events += [make_event(user="after", timestamp="2026-01-02T00:00:00Z")]
    client.post(events)
    return client


def test_a_total(day, admin):
    assert stats(day, admin, DAY) == {
        "since": "2026-01-01T00:00:00.000000Z",
        "until": "2026-01-02T00:00:00.000000Z",
        "interval": None,
        "by": None,
        "total": 7,
        "counts": [{"time": None, "value": None, "count": 7}],
    }


def test_by_a_field_the_most_frequent_first(day, admin):
    document = stats(day, admin, DAY + "&by=user")
    assert shape(document) == [
        (None, "alice", 3),
        (None, "bob", 2),
        (None, "carol", 1),
        (None, None, 1),
    ]


def test_what_is_beyond_the_top_is_summed_up(day, admin):
    document = stats(day, admin, DAY + "&by=user&top=2")
    assert document["counts"][-1] == {"time": None, "value": None, "other": True, "count": 2}
    assert shape(document) == [(None, "alice", 3), (None, "bob", 2), (None, ..., 2)]


def test_by_a_flag(client, admin, make_event):
    client.post([make_event(flagged=flag) for flag in (True, False, False)])
    document = stats(client, admin, "since=2026-01-01&by=flagged")
    assert [count["value"] for count in document["counts"]] == [False, True]


@pytest.mark.parametrize("field", sorted({*get_args(By)} - {"user", "flagged"}))
def test_by_every_other_field(day, admin, field):
    document = stats(day, admin, f"{DAY}&by={field}")
    assert sum(count["count"] for count in document["counts"]) == document["total"] == 7


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("key_fingerprint", ["SHA256:one", "SHA256:two"]),
        ("agent_version", ["1.2.3", "1.2.4"]),
        ("trusted", [False, True]),
    ],
)
def test_what_is_counted_by_is_what_was_sent(client, admin, make_event, field, values):
    client.post([make_event(**{field: value}) for value in (values[0], *values)])
    document = stats(client, admin, f"since=2026-01-01&by={field}")
    assert [(c["value"], c["count"]) for c in document["counts"]] == list(
        zip(values, (2, 1), strict=True)
    )


def test_every_hour_has_a_count_also_those_in_which_nothing_happened(day, admin):
    document = stats(day, admin, DAY + "&interval=hour")
    assert len(document["counts"]) == 24
    assert [c for c in shape(document) if c[2]] == [
        ("01T00", None, 4),
        ("01T03", None, 2),
        ("01T23", None, 1),
    ]
    assert document["counts"][1]["time"] == "2026-01-01T01:00:00.000000Z"


def test_by_field_and_hour_the_top_is_that_of_the_whole_range(day, admin):
    query = "since=2026-01-01T00:30:00Z&until=2026-01-01T04:00:00Z&interval=hour&by=user&top=2"
    assert shape(stats(day, admin, query)) == [
        ("01T00", "alice", 1),
        ("01T00", "bob", 1),
        ("01T00", ..., 0),
        ("01T01", "alice", 0),
        ("01T01", "bob", 0),
        ("01T01", ..., 0),
        ("01T02", "alice", 0),
        ("01T02", "bob", 0),
        ("01T02", ..., 0),
        ("01T03", "alice", 1),
        ("01T03", "bob", 0),
        ("01T03", ..., 1),
    ]


def test_an_event_without_the_field_counts_for_null_in_its_hour(day, admin):
    query = "since=2026-01-01T23:00:00Z&until=2026-01-02&interval=hour&by=user"
    assert shape(stats(day, admin, query)) == [("01T23", None, 1)]


def test_days_before_1970_begin_at_midnight_too(client, admin, make_event):
    for stamp in ("1969-12-30T00:00:00Z", "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z"):
        client.post(make_event(timestamp=stamp))
    query = "since=1969-12-30&until=1970-01-02&interval=day"
    assert [count["count"] for count in stats(client, admin, query)["counts"]] == [1, 1, 1]


def test_the_filters_of_events_hold_here_too(day, admin):
    assert stats(day, admin, DAY + "&user=ali*&user=bob")["total"] == 5
    assert stats(day, admin, DAY + "&type=sudo&source_ip=203.0.113.0/24")["total"] == 1
    assert stats(day, admin, DAY + "&q=CARO")["total"] == 1


@pytest.mark.parametrize(("interval", "count"), [("hour", 25), ("day", 31)])
def test_without_a_range_it_is_the_last_day_or_the_last_30(client, admin, interval, count):
    document = stats(client, admin, f"interval={interval}")
    # The first one begins before the range does, unless it is asked for on the hour.
    assert len(document["counts"]) in {count - 1, count}


def test_without_an_end_it_is_until_now(client, admin, make_event):
    """An answer says its range, and what a fast clock dated later is not in it."""
    client.post(make_event(timestamp="9999-01-01T00:00:00Z"))
    document = stats(client, admin, "hours=1")
    assert document["total"] == 0
    assert document["until"] < "9999"
    assert stats(client, admin, "hours=1&until=9999-12-31")["total"] == 1


def test_the_earliest_range_there_is(client, admin):
    for query in ("until=0001-01-01", "since=0001-01-01&until=0001-01-02&interval=day"):
        assert stats(client, admin, query)["since"] == "0001-01-01T00:00:00.000000Z"


def test_values_that_would_make_a_large_answer_are_refused_before_they_are_read(
    client, admin, make_event, monkeypatch
):
    """A host's own agent may send user names of 1,024 characters, and others in each event."""
    users = [f"{n:04}" + "\N{GRINNING FACE}" * 1_020 for n in range(300)]
    client.post([make_event(user=user, timestamp="2026-01-01T00:00:00Z") for user in users])
    query = "since=2026-01-01&by=user&top=300&interval=hour&until=2026-01-01T0"
    assert len(client.get(f"/stats?{query}8:00:00Z", headers=admin).content) > 9 << 20
    monkeypatch.setattr(stats_of_the_store, "_top_by_bucket", None)
    response = client.get(f"/stats?{query}9:00:00Z", headers=admin)
    assert response.status_code == 422
    error = response.json()["error"]
    assert error["parameter"] == "interval"
    assert "lower top" in error["message"]


def test_an_empty_range_has_no_hours(client, admin):
    document = stats(client, admin, "since=2026-01-01&until=2026-01-01&interval=hour")
    assert (document["total"], document["counts"]) == (0, [])


@pytest.mark.parametrize(
    ("query", "parameter", "allowed"),
    [
        ("by=raw_message", "by", "type, hostname, user"),
        ("interval=week", "interval", "hour, day"),
        ("top=0", "top", "from 1 to 1000"),
        ("top=1001", "top", "from 1 to 1000"),
        ("limit=1", "limit", "no such parameter"),
        ("since=2026-01-02&until=2026-01-01", "until", "before since"),
        ("hours=1&until=2026-01-01", "until", "before since"),
        ("since=9999-01-01", "since", "later than now"),
        ("since=0001-01-01&interval=hour", "interval", "100000"),
        ("since=2020-01-01&interval=day&by=user&top=1000", "interval", "lower top"),
        ("by=type&by=user", "by", "twice"),
    ],
)
def test_a_mistake_names_the_parameter_and_what_is_allowed(
    client, admin, query, parameter, allowed
):
    response = client.get(f"/stats?{query}", headers=admin)
    assert response.status_code == 422
    assert response.json()["error"]["parameter"] == parameter
    assert allowed in response.json()["error"]["message"]


def test_without_the_key_there_is_nothing_to_learn(client):
    response = client.get("/stats?by=x")
    assert (response.status_code, response.json()["error"]) == (401, {"message": "not authorized"})
