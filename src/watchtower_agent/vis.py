r"""Undoes the escapes that sshd puts into what it logs.

sshd passes every line through ``strnvis(3)`` with VIS_CSTYLE | VIS_NL | VIS_TAB | VIS_OCTAL
(log.c, LOG_SYSLOG_VIS): printable ASCII stays, a backslash is doubled, the usual control
characters become ``\n`` and the like, and every other byte becomes ``\ooo``.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(?:([0-3][0-7]{2})|([abfnrtv0\\]))")
_CSTYLE = {
    "a": 0x07,
    "b": 0x08,
    "f": 0x0C,
    "n": 0x0A,
    "r": 0x0D,
    "t": 0x09,
    "v": 0x0B,
    "0": 0x00,
    "\\": 0x5C,
}


def decode_vis(text: str) -> bytes:
    r"""Return the bytes that sshd was given, before ``strnvis`` escaped them.

    A backslash that starts no escape of sshd's is left as it stands.
    """
    decoded = bytearray()
    position = 0
    for match in _ESCAPE.finditer(text):
        decoded += text[position : match.start()].encode("utf-8", "backslashreplace")
        octal, letter = match.groups()
        decoded.append(int(octal, 8) if octal else _CSTYLE[letter])
        position = match.end()
    decoded += text[position:].encode("utf-8", "backslashreplace")
    return bytes(decoded)
