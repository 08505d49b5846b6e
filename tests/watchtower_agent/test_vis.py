import pytest

from watchtower_agent.vis import decode_vis


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("plain", b"plain"),
        (r"\\", b"\\"),
        (r"\\n", b"\\n"),
        (r"\n\t\r\a\b\f\v", b"\n\t\r\a\b\f\v"),
        (r"\303\274", "ü".encode()),
        (r"\377", b"\xff"),
        (r"\0", b"\0"),
        (r"\033[0m", b"\x1b[0m"),
        ("\\", b"\\"),
        (r"\x41\9", rb"\x41\9"),
        ("ü", "ü".encode()),
    ],
)
def test_each_escape(text, raw):
    assert decode_vis(text) == raw
