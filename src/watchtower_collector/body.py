"""Reading request bodies within bounds: each one's size, and all of them together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fastapi import HTTPException

from watchtower_collector.inflate import InflateError, Inflater
from watchtower_collector.room import Room

if TYPE_CHECKING:
    from types import TracebackType

    from starlette.requests import Request
    from starlette.types import Receive

    from watchtower_collector.room import Sender

_TOGETHER = 8  # full-sized bodies held at the same time
_OF_ONE = 2  # of them, those of one host: it cannot keep the others out
_GZIP = frozenset({"gzip", "x-gzip"})  # two names for one thing (RFC 9110, section 8.4.1.3)


class BodyReader:
    """Reads bodies; what is held from the first byte to the answer counts against the bounds."""

    def __init__(self, limit: int) -> None:
        """Take bodies of up to ``limit`` bytes: twice that of one sender, eight times of all."""
        self._limit = limit
        self._room = Room(limit * _TOGETHER, limit * _OF_ONE)

    def read(self, request: Request, sender: Sender) -> HeldBody:
        """Return a context manager that gives the whole body for the time of the block.

        The body is inflated when it is gzip. The bound holds for what is sent and for what it
        inflates to; no more is inflated. Entering the block raises:

        Raises:
            HTTPException: 413 too large, known from its header or found while reading, which ends
                then; 415 compressed in another way; 422 not gzip as it says; 400 the client went
                away.
            QueueFullError: too much is held for other requests.
            TooMuchAtOnceError: too much is held for other requests of this sender.
        """
        return HeldBody(self, request, sender)

    def inflater_for(self, request: Request) -> Inflater | None:
        """Return what inflates the body, ``None`` when it comes as it is.

        Raises:
            HTTPException: 413 or 415, by the headers alone.
        """
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding != "identity" and encoding not in _GZIP:
            # RFC 9110, section 12.5.3: says which encodings would have been taken.
            message = "send the body with Content-Encoding gzip, or without any"
            raise HTTPException(415, message, {"Accept-Encoding": "gzip"})
        declared = request.headers.get("content-length", "0")
        is_number = declared.isascii() and declared.isdigit() and len(declared) <= 18
        if not is_number or int(declared) > self._limit:
            raise self.too_large()
        return Inflater() if encoding in _GZIP else None

    def hold(self, size: int, held_before: int, sender: Sender) -> None:
        """Count ``size`` more bytes of a body of which ``held_before`` are held already.

        Raises:
            HTTPException: 413, together they are too large.
            QueueFullError: too much is held for other requests.
            TooMuchAtOnceError: too much is held for other requests of this sender.
        """
        if held_before + size > self._limit:
            raise self.too_large()
        self._room.take(size, sender)

    def check_sent(self, size: int) -> None:
        """Refuse more compressed bytes than a body may have: much can inflate to nothing.

        Raises:
            HTTPException: 413.
        """
        if size > self._limit:
            raise self.too_large()

    def release(self, size: int, sender: Sender) -> None:
        """Count ``size`` bytes no longer."""
        self._room.give_back(size, sender)

    def too_large(self) -> HTTPException:
        """Return the error of a body that is too large."""
        return HTTPException(
            413, f"the body is larger than {self._limit} bytes: send fewer events at a time"
        )


class HeldBody:
    """One body, read on entering the block and held until its end."""

    __slots__ = ("_reader", "_request", "_sender", "_size")

    def __init__(self, reader: BodyReader, request: Request, sender: Sender) -> None:
        self._reader = reader
        self._request = request
        self._sender = sender
        self._size = 0

    async def __aenter__(self) -> bytes | bytearray:
        inflater = self._reader.inflater_for(self._request)
        try:
            if inflater is None:
                return await self._plain(self._request.receive)
            return await self._inflated(self._request.receive, inflater)
        except InflateError as error:
            self._release()
            raise HTTPException(422, str(error)) from None
        except BaseException:
            self._release()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._release()

    async def _plain(self, receive: Receive) -> bytes | bytearray:
        chunk, more = await _next_chunk(receive)
        self._hold(len(chunk))
        if not more:
            return chunk
        body = bytearray(chunk)  # a list of small pieces would take many times their size
        while more:
            chunk, more = await _next_chunk(receive)
            self._hold(len(chunk))
            body += chunk
        return body

    async def _inflated(self, receive: Receive, inflater: Inflater) -> bytearray:
        body = bytearray()
        sent = 0
        more = True
        while more:
            chunk, more = await _next_chunk(receive)
            sent += len(chunk)
            self._reader.check_sent(sent)
            for piece in inflater.feed(chunk):
                self._hold(len(piece))
                body += piece
                await asyncio.sleep(0)  # others are served between two pieces
        inflater.finish()
        return body

    def _hold(self, size: int) -> None:
        self._reader.hold(size, self._size, self._sender)
        self._size += size

    def _release(self) -> None:
        self._reader.release(self._size, self._sender)
        self._size = 0


async def _next_chunk(receive: Receive) -> tuple[bytes, bool]:
    """Return a chunk of the body, and whether more follows.

    Raises:
        HTTPException: 400, the client went away.
    """
    message = await receive()
    if message["type"] == "http.disconnect":
        raise HTTPException(400, "the connection ended before the body did")
    return message.get("body", b""), message.get("more_body", False)
