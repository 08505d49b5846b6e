"""``GET /metrics``: the collector's state, for Prometheus."""

import os
import shutil
from pathlib import Path

import sqlalchemy as sa
from fastapi import APIRouter, Depends
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from watchtower_collector.auth import MetricsGate
from watchtower_collector.event_stream import Streams
from watchtower_collector.metrics import Metrics
from watchtower_collector.reader import Reader
from watchtower_collector.routes.parameters import check_no_names
from watchtower_collector.settings import Settings
from watchtower_collector.store import EventStore
from watchtower_collector.store.host_list import count_hosts
from watchtower_collector.store.sqlite_upkeep import wal_bytes
from watchtower_collector.timestamps import now_us
from watchtower_collector.writer import Writer


class Snapshot:
    """Looks at everything that is not counted but is as it is."""

    def __init__(
        self,
        settings: Settings,
        store: EventStore,
        reader: Reader,
        writer: Writer,
        streams: Streams,
    ) -> None:
        self._settings = settings
        self._store = store
        self._reader = reader
        self._writer = writer
        self._streams = streams

    async def take(self) -> dict[str, float]:
        """Return the values of ``GAUGES``.

        Raises:
            StoreUnavailableError: the store cannot be read.
            OSError: its disk cannot be looked at.
        """
        return {
            "up": float(self._writer.trouble is None),
            "queue_events": self._writer.held,
            "queue_capacity_events": self._settings.queue_events,
            "streams": self._streams.count,
            **await self._reader.read(self._read),
        }

    def _read(self, connection: sa.Connection) -> dict[str, float]:
        """Look at all that is no memory of ours, in the reader's thread: a disk may hang."""
        database = self._settings.db_path
        disk = shutil.disk_usage(database.parent)
        hosts = count_hosts(connection, now_us() - self._settings.silent_seconds * 1_000_000)
        return {
            "hosts": hosts.known,
            "hosts_silent": hosts.silent,
            "hosts_in_trouble": hosts.in_trouble,
            "agents_spooled_events": hosts.spooled_events,
            "database_used_bytes": self._store.used_bytes(connection),
            "wal_bytes": wal_bytes(database),
            "disk_free_bytes": disk.free,
            "disk_size_bytes": disk.total,
            **_process(),
        }


def _process() -> dict[str, float]:
    """Return what the kernel says of this process: all that a sandbox shows of /proc."""
    own = Path("/proc/self")
    pages = int((own / "statm").read_text(encoding="ascii").split()[1])  # proc(5): resident
    return {
        "resident_memory_bytes": pages * os.sysconf("SC_PAGE_SIZE"),
        "open_files": sum(1 for _ in (own / "fd").iterdir()),
    }


def metrics_router(metrics: Metrics, snapshot: Snapshot, gate: MetricsGate) -> APIRouter:
    """Return the route."""
    router = APIRouter(dependencies=[Depends(gate), Depends(check_no_names)])

    @router.get("/metrics", response_model=None)
    async def get_metrics() -> Response:
        text = metrics.render(await snapshot.take())
        headers = {"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE_LATEST}
        return Response(text, 200, headers)

    return router
