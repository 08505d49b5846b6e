"""The keyset cursor of a page, as opaque text for a URL."""

from __future__ import annotations

import base64
import struct

from watchtower_collector.store.query import Position

# A version byte, so that a later format can tell an old cursor from its own.
_FORMAT = struct.Struct(">Bqq")
_VERSION = 1


def encode_cursor(position: Position) -> str:
    """Return the position as URL-safe text without padding."""
    packed = _FORMAT.pack(_VERSION, position.timestamp, position.id)
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode("ascii")


def decode_cursor(text: str) -> Position:
    """Return the position that :func:`encode_cursor` wrote.

    Raises:
        ValueError: it did not write this.
    """
    mistake = "must be taken as it is from a Link header of an earlier answer"
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        _, timestamp, event = _FORMAT.unpack(packed)
    except (ValueError, struct.error):
        raise ValueError(mistake) from None
    position = Position(timestamp, event)
    # Written again it must be the same: base64 has several spellings of some bytes, and the
    # version must be ours.
    if encode_cursor(position) != text:
        raise ValueError(mistake)
    return position
