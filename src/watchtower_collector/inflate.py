"""Inflating a gzip body as it arrives, a little at a time."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# 64 KiB take about 0.1 ms: between two pieces the event loop can serve others.
PIECE_BYTES = 64 << 10
_GZIP = 16 + zlib.MAX_WBITS  # zlib.h, inflateInit2: 16 more than the window means gzip


class InflateError(ValueError):
    """The body is not one whole gzip member; the text says how."""


class Inflater:
    """Inflates one gzip member (RFC 1952); holds one piece and zlib's window, whatever comes."""

    def __init__(self) -> None:
        self._machine = zlib.decompressobj(_GZIP)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give what ``data`` inflates to, in pieces of at most ``PIECE_BYTES``.

        Whoever has had enough just takes no further piece: only what is taken is inflated.

        Raises:
            InflateError: it is not gzip, it is damaged, or something follows its end.
        """
        while True:
            try:
                piece = self._machine.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise InflateError(f"the body is not gzip, or is damaged: {error}") from None
            if self._machine.unused_data:
                raise InflateError("something follows the end of the gzip body")
            if piece:
                yield piece
            data = self._machine.unconsumed_tail
            # A full piece may leave some output inside zlib even when its input is used up.
            if not data and len(piece) < PIECE_BYTES:
                return

    def finish(self) -> None:
        """Check that the end was reached, its checksum included.

        Raises:
            InflateError: it was not.
        """
        if not self._machine.eof:
            raise InflateError("the gzip body ends too early: it was cut off")
