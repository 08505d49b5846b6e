"""Reading the store from the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from watchtower_collector.store import READERS, EventStore, T

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa


class Reader:
    """Reads in threads, a few at a time for all routes together, away from the event loop."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._limiter = anyio.CapacityLimiter(READERS)

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Return what ``work`` reads; all that it reads is of one moment.

        Raises:
            StoreUnavailableError: the store cannot read, or it takes too long.
        """
        return await anyio.to_thread.run_sync(self._store.read, work, limiter=self._limiter)
