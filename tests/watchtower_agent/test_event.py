import json

import pytest

from watchtower_agent.event import Event, bounded_text, format_timestamp, hash_id


def test_a_field_without_value_is_left_out():
    event = Event("login", "t", "h", "i", {"source_port": 0, "trusted": False, "user": None})
    assert json.loads(event.to_json()) == {
        "type": "login",
        "timestamp": "t",
        "hostname": "h",
        "event_id": "i",
        "source_port": 0,
        "trusted": False,
    }


def test_the_wire_is_ascii():
    assert Event("login", "t", "hé\u202e", "i").to_json().isascii()


def test_parts_do_not_run_into_each_other():
    assert hash_id(b"ab", b"c") != hash_id(b"a", b"bc")
    assert hash_id(b"a", b"") != hash_id(b"a")


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (253402300799999999, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_a_time_has_six_decimals(microseconds, text):
    assert format_timestamp(microseconds) == text


def test_a_time_out_of_range_is_an_error():
    with pytest.raises(OverflowError):
        format_timestamp(253402300800000000)


def test_text_that_no_store_takes_is_spelled_out():
    assert bounded_text("a\0b\udcffc") == "a\\000b\\udcffc"
