import time
from email.utils import formatdate

import pytest

from watchtower_agent.clock import clock_offset, moment, read_timestamp, span, when
from watchtower_agent.event import format_timestamp

NOON = 1_763_899_200.0  # 2025-11-23T12:00:00Z


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (-1.9, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7199, "119 minutes"),
        (7200, "2 hours"),
        (2 * 86400 - 1, "47 hours"),
        (-3 * 86400, "3 days"),
    ],
)
def test_a_span_has_its_largest_useful_unit(seconds, words):
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (0.4, "just now"),
        (-0.9, "just now"),
        (180, "3 minutes ago"),
        (-180, "3 minutes ahead of this host's clock"),
    ],
)
def test_a_time_is_told_absolutely_and_relatively(distance, words):
    assert when(NOON, NOON + distance) == f"2025-11-23 12:00:00 UTC ({words})"


def test_the_zone_of_the_host_does_not_matter(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert moment(NOON) == "2025-11-23 12:00:00 UTC"
        assert read_timestamp("2025-11-23T12:00:00.000000Z") == NOON
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("seconds", [1e300, float("inf"), float("nan"), -1e300])
def test_an_impossible_time_is_no_error(seconds):
    assert moment(seconds) == "a time that no clock shows"


@pytest.mark.parametrize("microseconds", [0, 1, int(NOON * 1e6) + 589_793])
def test_a_timestamp_is_read_as_it_was_written(microseconds):
    assert round(read_timestamp(format_timestamp(microseconds)) * 1e6) == microseconds


@pytest.mark.parametrize("written_at", [NOON, NOON + 0.5, NOON + 0.99])
@pytest.mark.parametrize("round_trip", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("ahead", [-86400, -7, 0, 7, 10 * 365 * 86400])
def test_the_offset_is_right_to_about_a_second(written_at, round_trip, ahead):
    date = formatdate(int(written_at), usegmt=True)
    received_at = written_at + round_trip / 2 + ahead
    assert abs(clock_offset(date, received_at, round_trip) - ahead) <= 1


@pytest.mark.parametrize("date", [None, "", "yesterday", "Thu, 99 Jan 1970 00:00:00 GMT"])
def test_without_a_date_nothing_is_known(date):
    assert clock_offset(date, NOON, 0.1) is None


def test_a_slow_answer_is_not_measured_by():
    assert clock_offset(formatdate(NOON, usegmt=True), NOON, 2.1) is None
