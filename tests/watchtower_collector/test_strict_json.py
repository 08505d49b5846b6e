import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from watchtower_collector import event, strict_json
from watchtower_collector.routes.login import MAX_EVENTS
from watchtower_collector.strict_json import MAX_VALUES, TooManyValuesError, loads


def test_json_is_read():
    assert loads('{"user": "Zoë", "port": 22, "list": [null, true]}'.encode()) == {
        "user": "Zoë",
        "port": 22,
        "list": [None, True],
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b"[NaN]", "NaN is not JSON"),
        (b"[Infinity]", "Infinity is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b'["\xff"]', "not UTF-8: byte 2"),
        ('["a"]'.encode("utf-16"), "not UTF-8"),
        (b"[" * 50_000, "nested too deeply"),
        (b'{"a":' * 50_000, "nested too deeply"),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_what_is_not_json_is_refused(body, message):
    with pytest.raises(ValueError, match=message):
        loads(body)


def test_the_message_quotes_nothing_of_the_body():
    with pytest.raises(ValueError, match="not JSON") as caught:
        loads(b'{"password": "hunter2" oops}')
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("number", [1 << 63, -(1 << 63), (1 << 63) - 1, 0])
def test_a_whole_number_of_64_bits_is_exact(number):
    assert loads(str(number).encode()) == number


@pytest.mark.parametrize("digits", [21, 4_300, 4_301, 1_000_000])
def test_a_longer_one_is_read_in_no_time_and_is_out_of_every_range(digits):
    """Its digits are never looked at: Python's int() takes a second for some of a megabyte."""
    assert loads(b"[" + b"9" * digits + b"]") == [math.inf]


@pytest.mark.parametrize(
    "many",
    [
        b"[" * (MAX_VALUES + 1),
        b"[" + b"0," * MAX_VALUES + b"0]",
        b"[" + b"[]," * (MAX_VALUES // 2) + b"[]]",
        b'{"a":' * (MAX_VALUES + 1),
        b"{" + b'"a":0,' * MAX_VALUES + b'"a":0}',
        b"[" + b'{"":""},' * (MAX_VALUES // 2) + b"0]",
        b'[",\\\\"' + b",0" * MAX_VALUES + b"]",
        b'["' + b"," * 100_000 + b'\\""' + b",[]" * (MAX_VALUES // 2) + b"]",
        b'["a"' * (4 * MAX_VALUES),
    ],
    ids=lambda many: many[:12].decode(),
)
def test_a_text_of_too_many_values_is_not_read(many):
    with pytest.raises(TooManyValuesError):
        loads(many)


@pytest.mark.parametrize("text", [",", "[", "{", "[{", '",', "\\,", '\\",[', '"'])
def test_text_may_be_anything(text):
    document = [text * 200_000] * 2
    assert loads(json.dumps(document).encode()) == document


def marks(document):
    """Return how many commas and opening brackets stand outside of strings."""
    if not isinstance(document, list | dict):
        return 0
    inside = document.values() if isinstance(document, dict) else document
    return 1 + max(len(document) - 1, 0) + sum(map(marks, inside))


TEXTS = st.text(alphabet=',[{"\\:a\n', max_size=20)
DOCUMENTS = st.recursive(
    st.none() | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)
)


@given(DOCUMENTS)
@example(['\\"', ",", '"'])
def test_what_is_counted_stands_outside_of_strings(document):
    body, number = json.dumps(document).encode(), marks(document)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_json, "MAX_VALUES", max(number, 1))
        assert loads(body) == document
        if number > 1:
            patch.setattr(strict_json, "MAX_VALUES", number - 1)
            with pytest.raises(TooManyValuesError):
                loads(body)


def test_no_array_of_events_has_too_many_values():
    """And no single event, which an agent could not divide any more."""
    fields = len(event.Event.model_fields) + event.MAX_UNKNOWN_FIELDS + len(event._ASSIGNED_HERE)
    largest = {f"f{number}": ",[{" for number in range(fields)}
    assert marks([largest] * MAX_EVENTS) <= MAX_VALUES
    loads(json.dumps([largest] * MAX_EVENTS).encode())
