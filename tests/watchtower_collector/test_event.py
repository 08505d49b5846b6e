import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchtower_collector.event import (
    EVENT_TYPES,
    MAX_RAW_MESSAGE,
    MAX_UNKNOWN_BYTES,
    Event,
    RefusedEventError,
    event_row,
    parse_event,
)
from watchtower_collector.store.schema import EVENTS

SMALLEST = {"type": "login", "timestamp": "2026-03-14T09:26:53Z", "hostname": "web-1"}


def refused(**fields):
    with pytest.raises(RefusedEventError) as caught:
        parse_event({**SMALLEST, **fields})
    return caught.value


def row(**fields):
    return event_row(parse_event({**SMALLEST, **fields}), 7)


def test_the_smallest_event():
    event = parse_event(SMALLEST)
    assert (event.type, event.hostname, event.trusted, event.ambiguous) == (
        "login",
        "web-1",
        True,
        False,
    )


def test_a_row_has_every_column_but_the_id():
    assert set(row()) == {column.name for column in EVENTS.columns} - {"id"}


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_every_type_is_taken(name):
    assert parse_event({**SMALLEST, "type": name}).type == name


def test_the_former_name_of_a_login():
    assert parse_event({**SMALLEST, "type": "user_login"}).type == "login"


@pytest.mark.parametrize("field", SMALLEST)
def test_a_required_field_is_missed_by_name(field):
    document = {name: value for name, value in SMALLEST.items() if name != field}
    with pytest.raises(RefusedEventError) as caught:
        parse_event(document)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", "logout"),
        ("type", 1),
        ("timestamp", 1_773_480_413),
        ("timestamp", "yesterday"),
        ("hostname", ""),
        ("hostname", "h" * 256),
        ("hostname", ["web-1"]),
        ("user", 5),
        ("user", "u" * 1_025),
        ("source_ip", ""),
        ("source_ip", "1.2.3.4 port 22"),
        ("source_port", 65_536),
        ("source_port", -1),
        ("source_port", "http"),
        ("source_port", 22.0),
        ("source_port", True),
        ("source_port", "٢٢"),
        ("flagged", "perhaps"),
        ("event_id", "abc"),
        ("event_id", "g" * 32),
        ("event_id", 0),
        ("spool_depth", -1),
        ("spool_depth", 1 << 63),
        ("spool_depth", float("inf")),
        ("region", "r" * 129),
    ],
)
def test_a_wrong_value_is_refused_by_the_fields_name(field, value):
    assert refused(**{field: value}).field == field


@pytest.mark.parametrize("field", ["flagged", "trusted", "ambiguous"])
@pytest.mark.parametrize("value", ["true", "yes", "on", "", 0, 1, 1.0, []])
def test_true_and_false_are_the_only_truth_values(field, value):
    """What a client means by another word may be the opposite of what it is taken for."""
    error = refused(**{field: value})
    assert (error.field, error.message) == (field, "must be true or false")


@pytest.mark.parametrize("field", ["flagged", "trusted", "ambiguous"])
@pytest.mark.parametrize("value", [True, False])
def test_true_and_false_are_taken(field, value):
    assert row(**{field: value})[field] is value


@pytest.mark.parametrize("document", [None, 1, "login", [], [SMALLEST]])
def test_what_is_no_object_is_refused(document):
    with pytest.raises(RefusedEventError, match="JSON object"):
        parse_event(document)


def test_null_is_the_same_as_absent():
    assert parse_event({**SMALLEST, "user": None, "flagged": None}) == parse_event(SMALLEST)


@pytest.mark.parametrize("port", [52144, "52144"])
def test_the_port_as_number_or_text(port):
    assert row(source_port=port)["source_port"] == 52144


@pytest.mark.parametrize("address", ["203.0.113.7", "fe80::1%eth0", "UNKNOWN", "h.example.org"])
def test_what_sshd_writes_as_the_source_is_kept(address):
    assert row(source_ip=address)["source_ip"] == address


def test_only_an_address_has_sortable_bytes():
    assert len(row(source_ip="203.0.113.7")["source_addr"]) == 16
    assert row(source_ip="h.example.org")["source_addr"] is None


def test_the_event_id_is_the_same_in_either_case():
    assert row(event_id="AB" * 16)["event_id"] == row(event_id="ab" * 16)["event_id"]


def test_a_long_log_line_is_cut_not_refused():
    assert len(row(raw_message="x" * 100_000)["raw_message"]) == MAX_RAW_MESSAGE


@pytest.mark.parametrize("name", ["a\0b", f"a{chr(0xD800)}b", f"a{chr(0xDCFF)}b"])
def test_illegible_text_is_mended_not_refused(name):
    """Else a user name could be chosen that keeps the attempt out of the store."""
    assert row(user=name)["user"] == "a\ufffdb"
    assert json.loads(row(comment=name)["extra"]) == {"comment": "a\ufffdb"}


@given(st.text(alphabet=st.characters(), max_size=200))
def test_whatever_the_user_name_the_event_is_stored(name):
    mended = row(user=name)["user"]
    assert "\0" not in mended
    mended.encode("utf-8")


@pytest.mark.parametrize("claimed", ["login", "sudo", "heartbeat"])
def test_what_is_not_trusted_is_never_counted_as_what_it_claims(claimed):
    event = parse_event({**SMALLEST, "type": claimed, "trusted": False})
    assert event.type == "untrusted"


def test_untrusted_is_not_trusted():
    assert parse_event({**SMALLEST, "type": "untrusted"}).trusted is False


def test_unknown_fields_are_kept():
    kept = {"clock_offset": -0.25, "tty": "pts/0", "count": 7, "full": True}
    assert json.loads(row(**kept)["extra"]) == kept


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nested", {}),
        ("nested", []),
        ("long", "x" * 1_025),
        ("large", 1 << 63),
        ("endless", float("inf")),
        ("Upper", 1),
        ("a" * 65, 1),
        ("ä", 1),
    ],
)
def test_unknown_fields_are_bounded(name, value):
    assert refused(**{name: value}).field == name[:64]


@pytest.mark.parametrize("text", ["x", "\U0001f600", "\x01", '"', "ä"])
@pytest.mark.parametrize("count", range(1, 32))
def test_unknown_fields_are_bounded_together_and_cut_not_refused(text, count):
    """Else whoever calls sudo could choose a command and a directory that keep it a secret."""
    given = {f"f{'x' * 61}{number:02}": text * 1_024 for number in range(count)}
    given["session_id"] = "ab" * 16
    extra = row(**given)["extra"]
    kept = json.loads(extra)
    size = len(json.dumps(given, ensure_ascii=False).encode())
    assert (kept == given) == (size <= MAX_UNKNOWN_BYTES)
    assert len(extra.encode()) <= MAX_UNKNOWN_BYTES
    assert size <= MAX_UNKNOWN_BYTES or len(extra.encode()) > MAX_UNKNOWN_BYTES // 3
    assert kept.keys() == given.keys()
    assert kept["session_id"] == given["session_id"]
    assert all(given[name].startswith(value) for name, value in kept.items())


def test_of_unknown_fields_that_are_cut_the_numbers_stay():
    numbers = {f"f{number:02}": (1 << 63) - 1 for number in range(16)}
    kept = json.loads(row(**numbers, **{f"g{n:02}": "\x01" * 1_024 for n in range(16)})["extra"])
    assert numbers.items() <= kept.items()


def test_there_are_not_too_many_unknown_fields():
    assert "32" in refused(**{f"f{n}": n for n in range(33)}).message


def test_what_the_collector_assigns_is_ignored():
    assert row(id=4711, received_at="2020-01-01T00:00:00Z")["received_at"] == 7


def test_every_field_has_a_column():
    assert set(Event.model_fields) <= {column.name for column in EVENTS.columns}
