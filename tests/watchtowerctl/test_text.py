"""Nothing that a terminal would obey comes through."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchtowerctl.text import quoted, shown, visible, visible_lines


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b31m", r"\u009b31m"),
        ("DOMAIN\\x\x1b", r"DOMAIN\\x\x1b"),
        ("DOMAIN\\x", r"DOMAIN\x"),
        ("root\u3164\u2800x", r"root\u3164\u2800x"),
        ("root\ufe0f\u034f", r"root\ufe0f\u034f"),
        ("ro\u180bo\u17b4t\U000e0100", r"ro\u180bo\u17b4t\U000e0100"),
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


@pytest.mark.parametrize(
    ("hostile", "word", "line"),
    [
        ("alice", "alice", "alice"),
        ("keyboard-interactive/pam", "keyboard-interactive/pam", "keyboard-interactive/pam"),
        ("SHA256:a+b/c", "SHA256:a+b/c", "SHA256:a+b/c"),
        ("名前", "名前", "名前"),
        ("root  10.0.0.5", "'root  10.0.0.5'", "root  10.0.0.5"),
        ("a=b", "'a=b'", "a=b"),
        ("", "''", ""),
        ("-", "'-'", "-"),
        ("(none)", "'(none)'", "(none)"),
        ("DOMAIN\\x1b", "'DOMAIN\\x1b'", "DOMAIN\\x1b"),
        ("it's", "$'it\\'s'", "it's"),
        ("$'\\x1b'", "$'$\\'\\\\x1b\\''", "$'$\\'\\\\x1b\\''"),
        ("\x1bu\\", "$'\\x1bu\\\\'", "$'\\x1bu\\\\'"),
    ],
)
def test_a_value_is_one_word(hostile, word, line):
    assert quoted(hostile) == word
    assert shown(hostile) == line


def test_what_is_shown_can_be_typed_back():
    """Every character of the first planes, and of what is said in more than four digits."""
    letters = [chr(code) for code in (*range(1, 0x3200), *range(0x1F600, 0x1F610), 0xE0041)]
    values = [f"{letter}4\\{letter}" for letter in letters]
    script = "printf '%s\\0' " + " ".join(map(quoted, values))
    said = subprocess.run(
        ["bash"],
        env={"LC_ALL": "C.UTF-8"},
        input=script.encode(),
        capture_output=True,
        check=True,
    ).stdout.decode()
    assert said.split("\0")[:-1] == values
