"""Which lines a format string can print: a regular expression made from it."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

FORMATS = Path(__file__).parent.parent / "sshd" / "formats.jsonl"
# log.c: the longest line that sshd hands to syslog.
LONGEST = 500
# How many blanks a line can have lost at its end before nobody notices that it was cut off.
BLANKS = 20
# monitor.c: what the process without privileges says; it went through strnvis() twice.
SUFFIX = re.compile(rb" \[(?:pre|post)auth\]\Z")
DISCONNECTING = "Disconnecting {remote}: "
# packet.c, sshpkt_fmt_connection_id(), with the words of auth2.c and monitor.c before a name.
_REMOTE = (
    "(?:(?:(?:authenticating |authenticating|invalid |)user (?s:.){0,200}?) )?"
    "(?:[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?|UNKNOWN) port -?[0-9]+"
)
_CONVERSION = re.compile(
    r"(?P<remote>\{remote\})|%(?:(?P<percent>%)"
    r"|[-+ #0]*(?:\d+)?(?:\.(?P<precision>\d+))?(?:hh|h|ll|l|z|j|t)?(?P<type>[a-zA-Z]))"
)
_NUMBERS = {"d": r"-?[0-9]+", "u": "[0-9]+", "x": "[0-9a-f]+", "o": "[0-7]+"}
_ESCAPE = re.compile(rb"\\([0-3][0-7]{2}|[abfnrtv\\])")
_ESCAPES = dict(zip(b"abfnrtv\\", b"\a\b\f\n\r\t\v\\", strict=True))


def formats() -> list[dict]:
    """Return the list of format strings."""
    return [json.loads(line) for line in FORMATS.read_text(encoding="utf-8").splitlines()]


def prints(text: str, line: str) -> bool:
    """Return whether a format can have printed a line, or the line's beginning."""
    return prints_whole(text, line) or prints_cut(text, line)


def prints_whole(text: str, line: str) -> bool:
    """Return whether a format can have printed a line as it is."""
    raw = line.encode("utf-8", "surrogateescape")
    said = unescaped(raw)
    if SUFFIX.search(said):
        said = unescaped(SUFFIX.sub(b"", said))
    return len(raw) < LONGEST and any(made.fullmatch(said) for made in _whole(text))


def prints_cut(text: str, line: str) -> bool:
    """Return whether a format can have printed what a line is the beginning of.

    Of a line that was cut off, journald takes blanks off the end, too.
    """
    raw = line.encode("utf-8", "surrogateescape")
    once = unescaped(raw)
    return len(raw) > LONGEST - BLANKS and any(
        made.fullmatch(said) for said in (once, unescaped(once)) for made in _cut(text)
    )


def unescaped(text: bytes) -> bytes:
    """Return what strnvis() was given (log.c, LOG_SYSLOG_VIS)."""
    return _ESCAPE.sub(
        lambda m: bytes([_ESCAPES[m[1][0]] if m[1][0] in _ESCAPES else int(m[1], 8)]), text
    )


@cache
def _whole(text: str) -> list[re.Pattern[bytes]]:
    # journald takes blanks off the end of what comes over the syslog socket.
    whole = [_compiled([*_pieces(text.rstrip(" ")), " *"])]
    if not text.startswith(DISCONNECTING):
        return whole
    # packet.c, ssh_packet_disconnect(): "%.100s" of what its callers say.
    exactly = f"Disconnecting {_REMOTE}: (?=(?s:.){{100}}\\Z)"
    said = _pieces(text.removeprefix(DISCONNECTING))
    return [*whole, *(_compiled([exactly, *said[:end], "(?s:.)*"]) for end in _texts(said))]


@cache
def _cut(text: str) -> list[re.Pattern[bytes]]:
    """Return what matches lines that end within one of a format's texts."""
    pieces = _pieces(text)
    return [_compiled([*pieces[:end], "(?s:.)*"]) for end in _texts(pieces) if any(pieces[:end])]


def _texts(pieces: list[str]) -> list[int]:
    """Return which pieces are conversions of text."""
    return [number for number, piece in enumerate(pieces) if piece == _REMOTE or "(?s:.)" in piece]


def _compiled(pieces: list[str]) -> re.Pattern[bytes]:
    return re.compile("".join(pieces).encode())


def _pieces(text: str) -> list[str]:
    """Return a format as regular expressions: literals and conversions, in turn."""
    pieces, position = [], 0
    for match in _CONVERSION.finditer(text):
        pieces += [re.escape(text[position : match.start()]), _conversion(match)]
        position = match.end()
    return [*pieces, re.escape(text[position:])]


def _conversion(match: re.Match[str]) -> str:
    if match["remote"]:
        return _REMOTE
    if match["percent"]:
        return "%"
    if match["type"] != "s":
        return _NUMBERS[match["type"]]
    return f"(?s:.){{0,{match['precision'] or ''}}}"
