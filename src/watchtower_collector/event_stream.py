"""Events as server-sent events, while they are stored (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

from watchtower_collector.rendering import render_event
from watchtower_collector.store import StoreUnavailableError
from watchtower_collector.store.following import step

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import sqlalchemy as sa
    from starlette.types import Receive, Scope, Send

    from watchtower_collector.bell import Bell
    from watchtower_collector.reader import Reader
    from watchtower_collector.store import Row
    from watchtower_collector.store.query import EventQuery

MAX_STREAMS = 32
# Proxies and clients take a connection that says nothing for a dead one.
ALIVE_SECONDS = 15.0
# Under load a stream reads the store this often, not after each commit.
_REST_SECONDS = 0.05
_RETRY_MS = 2_000
_STEP_ROWS = 100  # events held for one client

_log = logging.getLogger(__name__)


class Streams:
    """The streams that are open, and how many more may be."""

    def __init__(self, reader: Reader, bell: Bell) -> None:
        self._reader = reader
        self._bell = bell
        self._open = 0

    @property
    def count(self) -> int:
        """How many are open."""
        return self._open

    @property
    def is_full(self) -> bool:
        """Whether no stream may be added."""
        return self._open >= MAX_STREAMS

    def open(self, query: EventQuery, after: int) -> StreamingResponse:
        """Return a stream of what matches and is stored after the event with the id ``after``."""
        self._open += 1
        return _EventSource(self, self._lines(query, after))

    def closed(self) -> None:
        """Note that one of them ended."""
        self._open -= 1

    async def _lines(self, query: EventQuery, after: int) -> AsyncIterator[str]:
        # An id without data is no event for the client, but it begins there when it comes back.
        yield f"retry: {_RETRY_MS}\nid: {after}\n\n"
        said = time.monotonic()
        while not self._bell.closed:
            heard = self._bell.rung
            try:
                blocks, reached = await self._step(query, after)
            except StoreUnavailableError as error:
                _log.warning("a stream of events ends, its client will come back: %s", error)
                return
            if blocks:
                # Taken one by one by the client's connection: a slow client holds up only itself.
                for block in blocks:
                    yield block
                said = time.monotonic()
            if reached == after:
                await self._bell.wait(heard, said + ALIVE_SECONDS - time.monotonic())
                await asyncio.sleep(_REST_SECONDS)
            after = reached
            if time.monotonic() - said >= ALIVE_SECONDS:
                yield f": alive\nid: {after}\n\n"
                said = time.monotonic()

    async def _step(self, query: EventQuery, after: int) -> tuple[list[str], int]:
        def work(connection: sa.Connection) -> tuple[list[str], int]:
            rows, reached = step(connection, query, after, _STEP_ROWS)
            return [_block(row) for row in rows], reached

        return await self._reader.read(work)


def _block(row: Row) -> str:
    # JSON escapes CR and LF, and these alone end a line of the stream.
    return f"id: {row['id']}\nevent: {row['type']}\ndata: {render_event(row).decode()}\n\n"


class _EventSource(StreamingResponse):
    """Says when it ended, however it ended."""

    def __init__(self, streams: Streams, lines: AsyncIterator[str]) -> None:
        headers = {"Cache-Control": "no-store"}
        super().__init__(lines, 200, headers, media_type="text/event-stream")
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.closed()
