"""The host that the agent speaks for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from watchtower_agent.event import Event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watchtower_agent.event import Detail


@dataclass(frozen=True)
class Labels:
    """What the operator attaches to every event of this host."""

    region: str | None = None
    host_group: str | None = None
    severity: str | None = None
    flagged: bool | None = None


@dataclass(frozen=True)
class Host:
    """Its name, for events that no journal entry names a host for, and its labels."""

    name: str = "unknown"
    labels: Labels = field(default_factory=Labels)

    def event(
        self,
        event_type: str,
        timestamp: str,
        event_id: str,
        details: Mapping[str, Detail | None],
        hostname: str | None = None,
    ) -> Event:
        """Return an event of this host, with its labels."""
        labelled = {**details, **self._labels} if self._labels else details
        return Event(event_type, timestamp, hostname or self.name, event_id, labelled)

    @cached_property
    def _labels(self) -> dict[str, Detail]:
        return {name: label for name, label in asdict(self.labels).items() if label is not None}
