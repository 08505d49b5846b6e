import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchtower_collector.store.cursor import decode_cursor, encode_cursor
from watchtower_collector.store.query import Position

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)


@given(INT64, INT64)
def test_every_position_comes_back(timestamp, event):
    cursor = encode_cursor(Position(timestamp, event))
    assert decode_cursor(cursor) == Position(timestamp, event)
    assert cursor.isascii()
    assert not set(cursor) & set("+/=&?#%")


GOOD = encode_cursor(Position(1, 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        GOOD[:-1],
        GOOD + "=",
        GOOD + "A",
        " " + GOOD,
        "ü" * 23,
        # the same bytes but for the version
        base64.urlsafe_b64encode(b"\x02" + base64.urlsafe_b64decode(GOOD + "=")[1:]).decode()[:-1],
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="Link header"):
        decode_cursor(text)
