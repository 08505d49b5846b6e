"""Waking whoever waits for the next commit."""

from __future__ import annotations

import asyncio


class Bell:
    """Rung after each commit, and closed when the collector stops. For one event loop."""

    def __init__(self) -> None:
        self.rung = 0
        self.closed = False
        self._next = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody who waits."""
        self.rung += 1
        waited_for, self._next = self._next, asyncio.Event()
        waited_for.set()

    def close(self) -> None:
        """Wake everybody for the last time."""
        self.closed = True
        self.ring()

    async def wait(self, heard: int, seconds: float) -> None:
        """Wait for the next ring after ``heard`` of them, or until it is closed.

        ``heard`` is what ``rung`` was before the caller looked at the store: a ring between that
        look and this call is not missed. Returns after ``seconds`` in any case.
        """
        if self.rung != heard or self.closed:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._next.wait()
        except TimeoutError:
            return
