"""What systemd makes of each of these files was seen on systemd 247, 252 and 257."""

import pytest

from watchtower_agent.environment_file import parse_environment_file

UNDERSTOOD = [
    ("A=b", "b"),
    ("A = b", "b"),
    ("  A=b  ", "b"),
    ("A=", ""),
    ('A=""', ""),
    ("A=b c # d", "b c # d"),
    ('A="b c"', "b c"),
    ("A='b c'", "b c"),
    ("A='b'\"c\" d", "bcd"),
    ("A='b' c", "bc"),
    ("A=b'c'", "b'c'"),
    (r"A=b\ \ ", "b  "),
    (r"A=b\nc", "bnc"),
    ("A=b\\\nc", "bc"),
    (r'A="b\"c\\d\`e\$f\n"', 'b"c\\d`e$f\\n'),
    ('A="b\\\nc"', "bc"),
    (r"A='b\c'", r"b\c"),
    ("# A=c\nA=b", "b"),
    ("; A=c\r\nA=b\r\n", "b"),
    ("A=c\nA=b", "b"),
    ("A=$HOME", "$HOME"),
    ("A=ü", "ü"),
    ("A=b=c", "b=c"),
]


@pytest.mark.parametrize(("content", "value"), UNDERSTOOD)
def test_values_are_what_systemd_makes_of_them(content, value):
    parsed = parse_environment_file(content.encode())
    assert parsed.values == {"A": value}
    assert parsed.mistakes == []


PASSED_OVER = [
    (b"B=c\nA b\n", {"B": "c"}, 2, "has no = sign"),
    (b"\nexport A=b", {}, 2, "without 'export'"),
    (b"\xef\xbb\xbfA=b", {}, 1, "not the name of a variable"),
    (b"1A=b", {}, 1, "not the name of a variable"),
    (b"A-B=c", {}, 1, "not the name of a variable"),
    (b"=b\nC=d", {"C": "d"}, 1, "not the name of a variable"),
]


@pytest.mark.parametrize(("content", "values", "line", "words"), PASSED_OVER)
def test_a_line_that_systemd_passes_over_is_named(content, values, line, words):
    parsed = parse_environment_file(content)
    assert parsed.values == values
    (mistake,) = parsed.mistakes
    assert mistake.startswith(f"line {line}: ")
    assert words in mistake


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b'\nA="b\nC=d\n', 2, "close its quote"),
        (b"A='b\nC=d'\n", 1, "close its quote"),
        (b"# a path C:\\\nA=b\n", 1, "ends with a backslash"),
        (b"A=b\nC=\xff\n", 2, "not UTF-8"),
        (b"A=b\nC=\0\nD=e", 2, "NUL"),
    ],
)
def test_a_line_that_is_hardly_meant_so_is_named(content, line, words):
    (mistake,) = parse_environment_file(content).mistakes
    assert mistake.startswith(f"line {line}: ")
    assert words in mistake


def test_no_value_is_shown():
    content = b"WATCHTOWER_AGENT_TOKEN: s3cret\nexport T=s3cret\nT='s3cret\nU=1\n"
    parsed = parse_environment_file(content)
    assert len(parsed.mistakes) == 3
    assert "s3cret" not in "".join(parsed.mistakes)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"#", b"A", b"A=\\", b'A="\\', b"A='", b"\\"])
def test_an_end_anywhere_is_no_error(content):
    parse_environment_file(content)
