"""Keeps the store within the bounds that the operator set, by age and by size."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchtower_collector.room import QueueFullError
from watchtower_collector.steady_clock import SteadyClock
from watchtower_collector.store import StoreUnavailableError
from watchtower_collector.store.retention import (
    delete_audit,
    delete_heartbeats,
    delete_old,
    delete_oldest,
    forget_facets,
    forget_hosts,
)
from watchtower_collector.timestamps import now_us

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa

    from watchtower_collector.reader import Reader
    from watchtower_collector.store import EventStore
    from watchtower_collector.writer import Writer

    _Chunk = Callable[[sa.Connection], tuple[int, int]]

_ROUND_SECONDS = 60.0
# Between two chunks it stands back for so many times as long as the last one took, so that the
# agents keep most of the writer however much there is to delete.
_STAND_BACK = 4.0
_DAY_US = 86_400_000_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is kept; ``None`` stands for no bound."""

    days: int | None
    """Events, the audit trail, and hosts of which nothing comes any more."""
    heartbeat_days: int | None
    """Heartbeats; they are most of what arrives, and say nothing once they are old."""
    bytes: int | None
    """What the database may use; beyond it the oldest events go."""


class Retention:
    """Deletes in small chunks through the writer, between the commits of the agents' events."""

    def __init__(
        self,
        store: EventStore,
        reader: Reader,
        writer: Writer,
        bounds: Bounds,
        on_deleted: Callable[[int], None] = lambda _events: None,
    ) -> None:
        self.clock = SteadyClock()
        self._store = store
        self._reader = reader
        self._writer = writer
        self._bounds = bounds
        self._on_deleted = on_deleted

    async def run(self) -> None:
        """Keep to the bounds until cancelled."""
        while True:
            try:
                # A clock that is years ahead would make everything old.
                await self.sweep(by_age=self.clock.is_steady())
            except (StoreUnavailableError, QueueFullError):
                pass  # the writer has said what is wrong; the next round is soon
            except Exception:  # noqa: BLE001  # it must outlive any defect
                _log.exception("a defect in the collector; this round of retention broke off")
            await asyncio.sleep(_ROUND_SECONDS)

    async def sweep(self, *, by_age: bool = True) -> int:
        """Delete all that is past the bounds, and return how many events that were.

        Without ``by_age``, only the bound of size counts.

        Raises:
            StoreUnavailableError: the rest stays for another time.
            QueueFullError: likewise.
        """
        events = await self._sweep_by_age(now_us()) if by_age else 0
        if events:
            await self._all_of(lambda c: (0, forget_facets(c)))
        if self._bounds.bytes is not None:
            while await self._reader.read(self._store.used_bytes) > self._bounds.bytes:
                deleted, others = await self._chunk(lambda c: delete_oldest(c, now_us()))
                events += deleted
                facets = await self._chunk(lambda c: (0, forget_facets(c)))
                if not deleted + others + sum(facets):
                    _log.error("the database is larger than WATCHTOWER_RETENTION_MB, though empty")
                    break
        if events:
            _log.info("retention deleted %d events", events)
        return events

    async def _sweep_by_age(self, now: int) -> int:
        events = 0
        if self._bounds.heartbeat_days is not None:
            beats_before = now - self._bounds.heartbeat_days * _DAY_US
            events += await self._all_of(lambda c: (delete_heartbeats(c, beats_before), 0))
        if self._bounds.days is not None:
            before = now - self._bounds.days * _DAY_US
            events += await self._all_of(lambda c: (delete_old(c, before, now), 0))
            await self._all_of(lambda c: (0, delete_audit(c, before)))
            await self._writer.call(lambda c: forget_hosts(c, before))
        return events

    async def _all_of(self, work: _Chunk) -> int:
        events = 0
        while sum(deleted := await self._chunk(work)):
            events += deleted[0]
        return events

    async def _chunk(self, work: _Chunk) -> tuple[int, int]:
        """Delete a chunk, and return how many events and how many other rows that were."""
        began = time.monotonic()
        deleted = await self._writer.call(work)
        if deleted[0]:
            self._on_deleted(deleted[0])
        await asyncio.sleep(_STAND_BACK * (time.monotonic() - began) if sum(deleted) else 0)
        return deleted
