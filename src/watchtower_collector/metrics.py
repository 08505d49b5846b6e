"""What Prometheus is told. ``docs/operations/monitoring.md`` explains each, with alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from watchtower_collector.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Scope

OUTCOMES = ("stored", "duplicate", "rejected")
# Why a request to POST /login was turned away, by the status of the answer.
REFUSALS = {
    400: "broken_off",
    401: "wrong_token",
    403: "foreign_host",
    413: "too_large",
    415: "encoding",
    422: "invalid",
    429: "too_many_wrong_tokens",
    500: "defect",
    503: "unable",
}
# The other kind of 503: the store is well, and too much was sent to it at once.
BUSY = "busy"
GAUGES = {
    "up": "1 while events can be stored, 0 while they cannot: what /healthz says.",
    "queue_events": "Events that wait to be written, or are being committed.",
    "queue_capacity_events": "How many may; beyond it agents are asked to come back later.",
    "streams": "Clients of GET /events/stream.",
    "hosts": "Hosts that are known.",
    "hosts_silent": "Hosts of which nothing came for WATCHTOWER_SILENT_SECONDS.",
    "hosts_in_trouble": "Hosts whose agent says that it cannot read the journal.",
    "agents_spooled_events": "Events that wait on the hosts, by their last heartbeats.",
    "database_used_bytes": "What the events and all else take in the database.",
    "wal_bytes": "The size of the database's write-ahead log.",
    "disk_free_bytes": "What is left on the disk of the database.",
    "disk_size_bytes": "The size of that disk.",
    "resident_memory_bytes": "The memory that the collector's process holds.",
    "open_files": "Its open files and connections.",
}
_COMMIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The collector's own registry: nothing of other libraries gets in."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        info = "The version that runs."
        Gauge("watchtower_build_info", info, ["version"], registry=registry).labels(VERSION).set(1)
        events = Counter(
            "watchtower_events",
            "Events that came, by what became of them.",
            ["outcome"],
            registry=registry,
        )
        self._events = [events.labels(outcome) for outcome in OUTCOMES]
        refusals = Counter(
            "watchtower_login_refusals",
            "Requests to POST /login that were turned away, by reason.",
            ["reason"],
            registry=registry,
        )
        self._refusals = {status: refusals.labels(reason) for status, reason in REFUSALS.items()}
        self._busy = refusals.labels(BUSY)
        self._other_requests = Counter(
            "watchtower_other_requests",
            "Requests to all other routes, by the status of the answer.",
            ["status"],
            registry=registry,
        )
        self._commit_seconds = Histogram(
            "watchtower_commit_seconds",
            "How long commits of events took, until they were on disk.",
            buckets=_COMMIT_SECONDS,
            registry=registry,
        )
        self._deleted = Counter(
            "watchtower_retention_deleted_events",
            "Events that were deleted because they were past their time.",
            registry=registry,
        )
        self._gauges = {
            name: Gauge(f"watchtower_{name}", text, registry=registry)
            for name, text in GAUGES.items()
        }

    def count_events(self, *numbers: int) -> None:
        """Count events by what became of them, in the order of ``OUTCOMES``."""
        for counter, number in zip(self._events, numbers, strict=True):
            if number:
                counter.inc(number)

    def committed(self, seconds: float) -> None:
        """Note how long a commit of events took. May be called from any thread."""
        self._commit_seconds.observe(seconds)

    def deleted(self, events: int) -> None:
        """Count events that retention deleted."""
        self._deleted.inc(events)

    def answered(self, scope: Scope, status: int) -> None:
        """Count the answer to a request."""
        if scope["path"] != "/login":
            self._other_requests.labels(str(status)).inc()
        elif scope.get("state", {}).get("is_busy"):
            self._busy.inc()
        elif status in self._refusals:
            self._refusals[status].inc()

    def render(self, now: Mapping[str, float]) -> bytes:
        """Return the text of ``/metrics``; ``now`` has a value for each of ``GAUGES``."""
        for name, gauge in self._gauges.items():
            gauge.set(now[name])
        return generate_latest(self._registry)
