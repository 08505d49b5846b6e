"""The keyset cursor of a page, as opaque text for a URL."""

from __future__ import annotations

import base64
import struct

from watchtower_collector.store.query import Position

# The first byte says of what kind a cursor is, so that a later format can tell it from its own.
_POSITION = struct.Struct(">Bqq")
_POSITION_KIND = 1
_NAME_KIND = b"\2"
_MISTAKE = "must be taken as it is from a Link header of an earlier answer"


def _encode(packed: bytes) -> str:
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise ValueError(_MISTAKE) from None


def encode_cursor(position: Position) -> str:
    """Return the position as URL-safe text without padding."""
    return _encode(_POSITION.pack(_POSITION_KIND, position.timestamp, position.id))


def decode_cursor(text: str) -> Position:
    """Return the position that :func:`encode_cursor` wrote.

    Raises:
        ValueError: it did not write this.
    """
    try:
        _, timestamp, event = _POSITION.unpack(_decode(text))
    except struct.error:
        raise ValueError(_MISTAKE) from None
    position = Position(timestamp, event)
    # Written again it must be the same: base64 has several spellings of some bytes, and the
    # kind must be ours.
    if encode_cursor(position) != text:
        raise ValueError(_MISTAKE)
    return position


def encode_name_cursor(name: str) -> str:
    """Return the name after which a page begins as URL-safe text without padding."""
    return _encode(_NAME_KIND + name.encode("utf-8"))


def decode_name_cursor(text: str) -> str:
    """Return the name that :func:`encode_name_cursor` wrote.

    Raises:
        ValueError: it did not write this.
    """
    try:
        name = _decode(text)[1:].decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(_MISTAKE) from None
    if encode_name_cursor(name) != text:
        raise ValueError(_MISTAKE)
    return name
