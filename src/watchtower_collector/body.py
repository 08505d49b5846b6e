"""Reading request bodies within bounds: each one's size, and all of them together."""

from __future__ import annotations

import re
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import HTTPException
from starlette.requests import ClientDisconnect

from watchtower_collector.writer import QueueFullError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

_TOGETHER = 8  # full-sized bodies held at the same time


class BodyReader:
    """Reads bodies; what is held from the first byte to the answer counts against the bounds."""

    def __init__(self, limit: int) -> None:
        """Take bodies of up to ``limit`` bytes, and eight times that together."""
        self._limit = limit
        self._held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Give the whole body for the time of the block.

        Raises:
            HTTPException: 413 too large, known from its header or found while reading, which ends
                then; 415 compressed; 400 the client went away.
            QueueFullError: too much is held for other requests.
        """
        if request.headers.get("content-encoding", "identity") != "identity":
            raise HTTPException(415, "send the body as it is, without Content-Encoding")
        declared = request.headers.get("content-length", "0")
        if not re.fullmatch("[0-9]{1,18}", declared) or int(declared) > self._limit:
            raise self._too_large()
        chunks: list[bytes] = []
        size = 0
        try:
            async with aclosing(request.stream()) as stream:
                async for chunk in stream:
                    size += len(chunk)
                    self._held += len(chunk)
                    if size > self._limit:
                        raise self._too_large()
                    if self._held > self._limit * _TOGETHER:
                        raise QueueFullError
                    chunks.append(chunk)
            yield b"".join(chunks)
        except ClientDisconnect:
            raise HTTPException(400, "the connection ended before the body did") from None
        finally:
            self._held -= size

    def _too_large(self) -> HTTPException:
        return HTTPException(
            413, f"the body is larger than {self._limit} bytes: send fewer events at a time"
        )
