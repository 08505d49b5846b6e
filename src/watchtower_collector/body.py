"""Reading request bodies within bounds: each one's size, and all of them together."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import HTTPException
from starlette.requests import ClientDisconnect

from watchtower_collector.inflate import InflateError, Inflater
from watchtower_collector.writer import QueueFullError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from starlette.requests import Request

_TOGETHER = 8  # full-sized bodies held at the same time
_GZIP = frozenset({"gzip", "x-gzip"})  # two names for one thing (RFC 9110, section 8.4.1.3)


class BodyReader:
    """Reads bodies; what is held from the first byte to the answer counts against the bounds."""

    def __init__(self, limit: int) -> None:
        """Take bodies of up to ``limit`` bytes, and eight times that together."""
        self._limit = limit
        self._held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Give the whole body for the time of the block, inflated when it is gzip.

        The bound holds for what is sent and for what it inflates to; no more is inflated.

        Raises:
            HTTPException: 413 too large, known from its header or found while reading, which ends
                then; 415 compressed in another way; 422 not gzip as it says; 400 the client went
                away.
            QueueFullError: too much is held for other requests.
        """
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding != "identity" and encoding not in _GZIP:
            # RFC 9110, section 12.5.3: says which encodings would have been taken.
            message = "send the body with Content-Encoding gzip, or without any"
            raise HTTPException(415, message, {"Accept-Encoding": "gzip"})
        declared = request.headers.get("content-length", "0")
        if not re.fullmatch("[0-9]{1,18}", declared) or int(declared) > self._limit:
            raise self._too_large()
        inflater = Inflater() if encoding in _GZIP else None
        parts: list[bytes] = []
        size = 0
        try:
            async with aclosing(self._parts(request, inflater)) as arriving:
                async for part in arriving:
                    size += len(part)
                    self._held += len(part)
                    if size > self._limit:
                        raise self._too_large()
                    if self._held > self._limit * _TOGETHER:
                        raise QueueFullError
                    parts.append(part)
            yield b"".join(parts)
        except ClientDisconnect:
            raise HTTPException(400, "the connection ended before the body did") from None
        except InflateError as error:
            raise HTTPException(422, str(error)) from None
        finally:
            self._held -= size

    async def _parts(
        self, request: Request, inflater: Inflater | None
    ) -> AsyncGenerator[bytes, None]:
        """Give the body as it arrives, or what that inflates to."""
        sent = 0
        async with aclosing(request.stream()) as stream:
            async for chunk in stream:
                sent += len(chunk)
                if inflater is None:
                    yield chunk
                    continue
                # Much can be sent that inflates to nothing.
                if sent > self._limit:
                    raise self._too_large()
                for piece in inflater.feed(chunk):
                    yield piece
                    await asyncio.sleep(0)  # others are served between two pieces
        if inflater is not None:
            inflater.finish()

    def _too_large(self) -> HTTPException:
        return HTTPException(
            413, f"the body is larger than {self._limit} bytes: send fewer events at a time"
        )
