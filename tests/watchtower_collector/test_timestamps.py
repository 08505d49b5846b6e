import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchtower_collector.timestamps import format_rfc3339, parse_rfc3339


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("2026-03-14T09:26:53.589793Z", 1_773_480_413_589_793),
        ("1970-01-01T23:59:00+23:59", 0),
        ("2026-03-14t09:26:53.5z", 1_773_480_413_500_000),
        ("2026-03-14 09:26:53.5897939999Z", 1_773_480_413_589_793),
    ],
)
def test_rfc_3339(text, microseconds):
    assert parse_rfc3339(text) == microseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1773480413",
        "2026-03-14",
        "2026-03-14T09:26:53",
        "2026-03-14T09:26:53.Z",
        "2026-02-30T00:00:00Z",
        "2026-03-14T25:00:00Z",
        "2026-03-14T09:26:53+24:00",
        "2026-03-14T09:26:53-25:00",
        "2026-03-14T09:26:53+00:60",
        "2026-03-14T09:26:53+00:99",
        "2026-03-14T09:26:53Z\n",
        "٢٠٢٦-03-14T09:26:53Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        parse_rfc3339(text)


def test_the_message_says_how_it_should_be():
    with pytest.raises(ValueError, match="such as 2026-01-31T23:59:59"):
        parse_rfc3339("2026-03-14T09:26:53+24:00")


@given(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
def test_every_instant_comes_back(microseconds):
    assert parse_rfc3339(format_rfc3339(microseconds)) == microseconds


def test_six_digits_always():
    assert format_rfc3339(0) == "1970-01-01T00:00:00.000000Z"
