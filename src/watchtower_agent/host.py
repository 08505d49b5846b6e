"""The host that the agent speaks for."""

from __future__ import annotations

from dataclasses import dataclass, field

from watchtower_agent.event import Event


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
        self, event_type: str, timestamp: str, event_id: str, hostname: str | None = None
    ) -> Event:
        """Return an event of this host, with its labels and nothing more."""
        return Event(
            type=event_type,
            timestamp=timestamp,
            hostname=hostname or self.name,
            event_id=event_id,
            region=self.labels.region,
            host_group=self.labels.host_group,
            severity=self.labels.severity,
            flagged=self.labels.flagged,
        )
