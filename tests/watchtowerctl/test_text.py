"""Nothing that a terminal would obey comes through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchtowerctl.text import visible, visible_lines


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b31m", r"\x9b31m"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("\u202eroot", r"\u202eroot"),
        ("\u2066\u200b\ufeff", r"\u2066\u200b\ufeff"),
        ("\u2028", r"\u2028"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("Ünïcödé [red]名前", "Ünïcödé [red]名前"),
        (7, "7"),
    ],
)
def test_what_is_not_printable_is_written_out(hostile, shown):
    assert visible(hostile) == shown


@given(st.text())
def test_whatever_comes_is_printable(text):
    assert visible(text).isprintable()


def test_line_breaks_stay_where_the_output_has_lines():
    assert visible_lines("a\x1b\r\nb\u202e\n") == "a\\x1b\nb\\u202e\n"
