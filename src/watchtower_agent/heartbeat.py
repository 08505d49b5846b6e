"""The event by which the collector tells a quiet host from a dead one."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from watchtower_agent.clock import read_timestamp
from watchtower_agent.event import HEARTBEAT, Event, format_timestamp

if TYPE_CHECKING:
    from watchtower_agent.host import Host
    from watchtower_agent.spool import Spool
    from watchtower_agent.vitals import Vitals

# The collector keeps up to 1,024 characters of a field that it does not know.
_TROUBLE_CHARACTERS = 1000


class Heartbeat:
    """Says at regular intervals, however busy the host is, that the agent is there and how."""

    def __init__(self, host: Host, vitals: Vitals, interval: float) -> None:
        """Beat every ``interval`` seconds; the first one is due at once."""
        self.host = host
        self.vitals = vitals
        self._interval = interval
        self._due_at = time.monotonic()

    def due_in(self) -> float:
        """Return the seconds until the next heartbeat."""
        return self._due_at - time.monotonic()

    def delivered(self) -> None:
        """Note that the collector has this one; the next is due an interval later."""
        self._due_at = time.monotonic() + self._interval

    def event(self, spool: Spool) -> Event:
        """Return a heartbeat. It is sent at once or not at all, never spooled.

        Raises:
            SpoolError: the spool cannot be read.
        """
        now = time.time_ns() // 1000
        vitals = self.vitals
        return self.host.event(
            HEARTBEAT,
            format_timestamp(now),
            os.urandom(16).hex(),
            {
                "agent_version": vitals.version,
                "started_at": format_timestamp(int(vitals.started_at * 1_000_000)),
                "uptime_seconds": vitals.uptime(),
                "clock_offset_seconds": vitals.clock_offset_seconds,
                "spool_depth": spool.depth(),
                "spool_oldest_seconds": _oldest_age(spool, now / 1_000_000),
                "trouble": vitals.reading.text[:_TROUBLE_CHARACTERS] or None,
                **asdict(vitals.counters),
            },
        )


def _oldest_age(spool: Spool, now: float) -> int | None:
    """Return the age in seconds of the event that has waited longest, or None without one."""
    oldest = spool.batch(1, 0)
    if not oldest:
        return None
    try:
        happened_at = read_timestamp(json.loads(oldest[0].body)["timestamp"])
    except (ValueError, KeyError, TypeError):
        # A bit that fell over on the disk must not keep the host from being heard of.
        return None
    # It is negative after the clock was set back; the collector counts ages from 0.
    return max(0, int(now - happened_at))
