"""Points in time mean what people mean, in their own zone."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from watchtowerctl.moments import age, parse_moment, parse_range, parse_span, show, wire


@pytest.fixture(autouse=True)
def _berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def now():
    # A Wednesday, 03:00 in Berlin.
    return datetime(2026, 3, 11, 2, 0, tzinfo=UTC).astimezone()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("now", "2026-03-11T02:00:00"),
        ("2h", "2026-03-11T00:00:00"),
        ("30m", "2026-03-11T01:30:00"),
        ("3d", "2026-03-08T02:00:00"),
        ("2h ago", "2026-03-11T00:00:00"),
        ("10 minutes ago", "2026-03-11T01:50:00"),
        ("5min", "2026-03-11T01:55:00"),
        ("1 day 2 hours", "2026-03-10T00:00:00"),
        ("1w1d", "2026-03-03T02:00:00"),
        ("today", "2026-03-10T23:00:00"),
        ("yesterday", "2026-03-09T23:00:00"),
        ("Yesterday  18:00", "2026-03-10T17:00:00"),
        ("monday", "2026-03-08T23:00:00"),
        ("wednesday", "2026-03-10T23:00:00"),
        ("thursday", "2026-03-04T23:00:00"),
        ("wednesday 04:00", "2026-03-04T03:00:00"),
        ("tuesday 20:00", "2026-03-10T19:00:00"),
        ("02:30", "2026-03-11T01:30:00"),
        ("04:30:15", "2026-03-10T03:30:15"),
        ("2026-03-14", "2026-03-13T23:00:00"),
        ("2026-07-14 09:00", "2026-07-14T07:00:00"),
        ("2026-03-14t09:00:01.5", "2026-03-14T08:00:01.500000"),
        ("2026-03-14T09:00:00+05:30", "2026-03-14T03:30:00"),
        ("2026-03-14T09:00:00z", "2026-03-14T09:00:00"),
    ],
)
def test_what_is_said_is_what_is_meant(now, said, meant):
    expected = datetime.fromisoformat(meant).replace(tzinfo=UTC)
    assert parse_moment(said, now) == expected


@pytest.mark.parametrize(
    ("zone", "said", "since", "until"),
    [
        # Twice: the hour after the change to winter time.
        ("Europe/Berlin", "2026-10-25 02:30", "2026-10-25T00:30", "2026-10-25T01:30"),
        ("America/New_York", "2026-11-01 01:00", "2026-11-01T05:00", "2026-11-01T06:00"),
        ("Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-04T14:45", "2026-04-04T15:15"),
        # Never: the hour that the change to summer time skips.
        ("Europe/Berlin", "2026-03-29 02:30", "2026-03-29T00:30", "2026-03-29T01:30"),
        ("Europe/Berlin", "2026-03-29 03:00", "2026-03-29T01:00", "2026-03-29T01:00"),
        ("America/New_York", "2026-03-08 02:00", "2026-03-08T06:00", "2026-03-08T07:00"),
        ("UTC", "2026-03-29 02:30", "2026-03-29T02:30", "2026-03-29T02:30"),
    ],
)
def test_a_change_of_the_clocks_leaves_nothing_out(monkeypatch, zone, said, since, until):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    now = datetime(2026, 12, 1, tzinfo=UTC).astimezone()
    begin, _ = parse_range(said, None, now)
    _, end = parse_range(None, said, now)
    assert wire(begin)[:16] == since
    assert wire(end)[:16] == until


def test_a_time_of_day_within_the_repeated_hour_is_not_yesterdays():
    first = datetime(2026, 10, 25, 0, 40, tzinfo=UTC).astimezone()
    begin, end = parse_range("02:30", "02:35", first)
    assert wire(begin)[:16] == "2026-10-25T00:30"
    assert wire(end)[:16] == "2026-10-25T01:35"


@pytest.mark.parametrize(
    "said",
    [
        "",
        " ",
        "tomorrow",
        "2h ago ago",
        "today ago",
        "5mo",
        "20260314",
        "2026-W11",
        "-2h",
        "2026-03-14 9",
        "9999999w",
        "٣d",
        "monday tuesday",
        "0001-01-01",
    ],
)
def test_what_means_nothing_is_refused_with_examples(now, said):
    with pytest.raises(ValueError, match="yesterday 18:00"):
        parse_moment(said, now)


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("2026-02-30", "day"),
        ("2026-13-01 09:00", "day"),
        ("25:00", "time of day"),
        ("monday 12:60", "time of day"),
        ("2026-03-14 24:01", "time of day"),
    ],
)
def test_what_no_calendar_and_no_clock_has_is_said(now, said, word):
    with pytest.raises(ValueError, match=f"'{said}': there is no such {word}"):
        parse_moment(said, now)


def test_a_range_that_is_still_to_come_is_refused(now):
    with pytest.raises(
        ValueError, match=r"--since '2099-01-01' \(2099-01-01 00:00.* still to come"
    ):
        parse_range("2099-01-01", None, now)
    assert parse_range("now", "2099-01-01", now)[0] == now


def test_a_day_on_which_the_clock_changes_begins_at_its_own_midnight():
    # On 2026-03-29 Berlin goes from +01:00 to +02:00.
    now = datetime(2026, 3, 29, 10, 0, tzinfo=UTC).astimezone()
    assert show(parse_moment("today", now)) == "2026-03-29 00:00:00+01:00"
    assert show(parse_moment("monday", now)) == "2026-03-23 00:00:00+01:00"


def test_tuesday_night_asked_for_in_that_night_ends_this_morning(now):
    begin, end = parse_range("tuesday 20:00", "wednesday 06:00", now)
    assert (show(begin), show(end)) == ("2026-03-10 20:00:00+01:00", "2026-03-11 06:00:00+01:00")
    begin, end = parse_range("22:00", "04:00", now)
    assert (show(begin), show(end)) == ("2026-03-10 22:00:00+01:00", "2026-03-11 04:00:00+01:00")


def test_a_range_that_ends_before_it_begins_is_refused_with_both_ends(now):
    with pytest.raises(ValueError, match=r"2026-03-11 00:00.*not after.*2026-03-11 02:00"):
        parse_range("1h", "today", now)


def test_an_open_range_has_an_open_end(now):
    assert parse_range(None, None, now) == (None, None)
    assert parse_range("1h", None, now) == (now - timedelta(hours=1), None)


@pytest.mark.parametrize("said", ["", "7", "d", "7 months", "7y", "999999w", "-1d", "1.5h"])
def test_what_is_no_length_of_time_is_refused(said):
    with pytest.raises(ValueError, match=r"length of time|century"):
        parse_span(said)


def test_times_go_out_in_utc(now):
    assert wire(now) == "2026-03-11T02:00:00.000000Z"


@pytest.mark.parametrize(
    ("then", "shown"),
    [
        ("2026-03-11T01:59:30.000000Z", "30s"),
        ("2026-03-11T01:00:01.000000Z", "59m"),
        ("2026-03-09T02:00:00.000000Z", "2d"),
        ("2026-03-11T02:00:05.000000Z", "0s"),
        ("nonsense", "nonsense"),
        ("2026-03-11T01:59:30", "2026-03-11T01:59:30"),
        (None, ""),
    ],
)
def test_an_age_is_in_its_largest_unit(now, then, shown):
    assert age(then, now) == shown
