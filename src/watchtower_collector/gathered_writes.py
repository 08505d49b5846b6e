"""The head of an answer and its body in one packet."""

from __future__ import annotations

import asyncio

# What is as large is not copied, and goes out at once: whoever wrote it must be told when the
# client does not keep up.
_LARGE_BYTES = 64 << 10


class GatheredWrites(asyncio.Transport):
    """Writes together what is written in one turn of the event loop.

    uvicorn writes head and body one after the other. As two packets they cost two system calls
    here, and wake the client twice.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes | bytearray | memoryview] = []
        self._size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write in a moment, in order."""
        if self._size + len(data) >= _LARGE_BYTES:
            self._flush()
            self._transport.write(data)
            return
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)
        self._size += len(data)

    def write_eof(self) -> None:
        """Write what was gathered, and end this direction."""
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Write what was gathered, and close."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Return whether it is closed or about to be."""
        return self._transport.is_closing()

    def _flush(self) -> None:
        if self._pieces:
            pieces, self._pieces, self._size = self._pieces, [], 0
            if not self._transport.is_closing():  # the client may have gone meanwhile
                self._transport.write(b"".join(pieces))
