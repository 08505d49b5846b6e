"""What has passed through the agent since it started."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Counters:
    """Plain counts; docs/api/collector-api.md says what each means.

    Each is raised by one thread at a time, and any thread may look at it.
    """

    entries_read: int = 0
    events_spooled: int = 0
    events_acknowledged: int = 0
    events_rejected: int = 0
    events_dropped: int = 0
