"""``watchtowerctl stats``."""

import json

import pytest

from watchtowerctl.table import bar

COUNTS = [
    {"time": None, "value": "login", "count": 40},
    {"time": None, "value": None, "count": 3},
    {"time": None, "value": None, "other": True, "count": 2},
]
ANSWER = {
    "since": "2026-03-13T09:00:00.000000Z",
    "until": "2026-03-14T09:00:00.000000Z",
    "interval": None,
    "by": "type",
    "total": 45,
    "counts": COUNTS,
}


def test_counts_are_a_table(asking, stand_in):
    stand_in.answer("GET /stats", ANSWER)
    out, err = asking("stats", "--by", "type", "--top", "3", "--host", "web-1", "--flagged")
    cells = [line.split() for line in out.splitlines()]
    assert cells == [["type", "Count"], ["login", "40"], ["(none)", "3"], ["(others)", "2"]]
    assert err == (
        "45 events, from 2026-03-13 14:30:00+05:30 to 2026-03-14 14:30:00+05:30. "
        "Heartbeats are left out: --heartbeats shows them.\n"
    )
    asked = [pair for pair in stand_in.requests[0].query if pair[0] != "type"]
    assert asked == [("hostname", "web-1"), ("flagged", "true"), ("by", "type"), ("top", "3")]


def test_a_terminal_gets_bars(asking, stand_in):
    stand_in.answer("GET /stats", ANSWER)
    shown = asking.on_terminal("stats", "--by", "type").splitlines()
    assert [line.count("█") for line in shown[1:4]] == [40, 3, 2]


def test_an_interval_has_a_column_of_times(asking, stand_in):
    count = {"time": "2026-03-14T09:00:00.000000Z", "value": None, "count": 5}
    stand_in.answer("GET /stats", ANSWER | {"interval": "hour", "by": None, "counts": [count]})
    out, _ = asking("stats", "--interval", "hour", "--since", "2026-03-14", "--heartbeats")
    assert out.splitlines()[1].split() == ["2026-03-14", "14:30:00+05:30", "5"]
    asked = dict(stand_in.requests[0].query)
    assert asked == {"interval": "hour", "since": "2026-03-13T18:30:00.000000Z"}


def test_days_are_those_of_utc(ctl, post):
    post({"timestamp": "2026-03-14T23:30:00Z"})
    range_ = ("--since", "2026-03-14T00:00:00Z", "--until", "2026-03-16T00:00:00Z")
    out, err = ctl("stats", "--interval", "day", *range_)
    cells = [line.split() for line in out.splitlines()]
    assert cells == [["Day", "(UTC)", "Count"], ["2026-03-14", "1"], ["2026-03-15", "0"]]
    assert err.startswith("1 event, from 2026-03-14 05:30:00+05:30 to 2026-03-16 05:30:00+05:30.")
    assert "Days are in UTC." in err


@pytest.mark.parametrize(
    ("alias", "shown"),
    [("host", ["hostname", "web-1"]), ("source", ["source_ip", "::1"]), ("group", ["host_group"])],
)
def test_fields_are_known_by_the_names_of_their_options(ctl, post, alias, shown):
    post({"source_ip": "::1", "timestamp": "2026-03-14T09:00:00Z"})
    out, _ = ctl("stats", "--by", alias, "--since", "2026-03-14")
    assert [line.split()[0] for line in out.splitlines()] == [*shown, "(none)"][:2]


def test_labels_are_yes_and_no_and_nobody_is_called_none(ctl, post):
    post({"user": "(none)", "flagged": True, "timestamp": "2026-03-14T09:00:00Z"})
    out, _ = ctl("stats", "--by", "flagged", "--since", "2026-03-14")
    assert out.splitlines()[1].split() == ["yes", "1"]
    out, _ = ctl("stats", "--by", "user", "--since", "2026-03-14")
    assert out.splitlines()[1].split() == ["'(none)'", "1"]


def test_a_field_there_is_not_is_named_with_the_nearest(ctl):
    _, err = ctl("stats", "--by", "usr", status=65)
    assert "does not take --by usr: did you mean user? It must be one of type, hostname" in err
    _, err = ctl("stats", "--by", "xyz", status=65)
    assert "does not take --by xyz: must be one of type, hostname" in err


def test_programs_get_the_counts_as_they_came(asking, stand_in):
    stand_in.answer("GET /stats", ANSWER)
    out, _ = asking("stats", "--json", "--by", "type")
    assert [json.loads(line) for line in out.splitlines()] == COUNTS


@pytest.mark.parametrize(
    ("count", "largest", "length"), [(0, 9, 0), (9, 9, 40), (1, 10**6, 1), (0, 0, 0)]
)
def test_what_is_there_at_all_can_be_seen(count, largest, length):
    assert len(bar(count, largest, 40)) == length
