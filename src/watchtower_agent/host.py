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
    """Its name and its labels.

    Attributes:
        name: for events that no journal entry names a host for.
        name_is_fixed: whether all other events carry it, too.
    """

    name: str = "unknown"
    labels: Labels = field(default_factory=Labels)
    name_is_fixed: bool = False

    def event(
        self,
        event_type: str,
        timestamp: str,
        event_id: str,
        details: Mapping[str, Detail | None],
        journal_hostname: str | None = None,
    ) -> Event:
        """Return an event of this host, with its labels.

        A host can have another name for a while, from DHCP or before it was renamed. When the
        name is fixed, the one of the journal entry becomes a detail.
        """
        labelled = {**details, **self._labels} if self._labels else details
        hostname = journal_hostname or self.name
        if self.name_is_fixed and hostname != self.name:
            labelled = {**labelled, "journal_hostname": hostname}
            hostname = self.name
        return Event(event_type, timestamp, hostname, event_id, labelled)

    @cached_property
    def _labels(self) -> dict[str, Detail]:
        return {name: label for name, label in asdict(self.labels).items() if label is not None}
