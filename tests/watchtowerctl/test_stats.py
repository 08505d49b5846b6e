"""``watchtowerctl stats``."""

import json

import pytest

from watchtowerctl.commands.stats import bar

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
    assert err == "45 events, from 2026-03-13 14:30:00+05:30 to 2026-03-14 14:30:00+05:30.\n"
    asked = dict(stand_in.requests[0].query)
    assert asked == {"by": "type", "top": "3", "hostname": "web-1", "flagged": "true"}


def test_a_terminal_gets_bars(asking, stand_in):
    stand_in.answer("GET /stats", ANSWER)
    shown = asking.on_terminal("stats", "--by", "type").splitlines()
    assert [line.count("█") for line in shown[1:4]] == [40, 3, 2]


def test_an_interval_has_a_column_of_times(asking, stand_in):
    count = {"time": "2026-03-14T09:00:00.000000Z", "value": None, "count": 5}
    stand_in.answer("GET /stats", ANSWER | {"interval": "hour", "by": None, "counts": [count]})
    out, _ = asking("stats", "--interval", "hour", "--since", "2026-03-14")
    assert out.splitlines()[1].split() == ["2026-03-14", "14:30:00+05:30", "5"]
    asked = dict(stand_in.requests[0].query)
    assert asked == {"interval": "hour", "since": "2026-03-13T18:30:00.000000Z"}


def test_programs_get_the_counts_as_they_came(asking, stand_in):
    stand_in.answer("GET /stats", ANSWER)
    out, _ = asking("stats", "--json", "--by", "type")
    assert [json.loads(line) for line in out.splitlines()] == COUNTS


@pytest.mark.parametrize(
    ("count", "largest", "length"), [(0, 9, 0), (9, 9, 40), (1, 10**6, 1), (0, 0, 0)]
)
def test_what_is_there_at_all_can_be_seen(count, largest, length):
    assert len(bar(count, largest)) == length
