"""sshd as a source of events: OpenSSH 8.4 to 10.x."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from watchtower_agent.event import bounded_text
from watchtower_agent.sshd_lines import read_sshd_line
from watchtower_agent.trust import SshdTrust, claims_sshd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watchtower_agent.entry import JournalEntry
    from watchtower_agent.event import Detail
    from watchtower_agent.statement import Statement

# sshd's words for "could not be found out": canohost.c, and auth.c with a NULL fingerprint.
_UNKNOWN = {"source_ip": "UNKNOWN", "key_fingerprint": "(null)", "certificate_ca": "(null)"}
# Slots that are read for the sake of the line's shape only.
_NOT_DETAILS = (
    "ca_type",
    "client_host",
    "client_user",
    "counter",
    "invalid",
    "principal",
)


@dataclass(frozen=True)
class Sshd:
    """Tells what sshd says, and whether it was sshd that said it."""

    trust: SshdTrust = field(default_factory=SshdTrust)

    def claims(self, entry: JournalEntry) -> bool:
        """Return whether the entry calls itself sshd's."""
        return claims_sshd(entry)

    def read(self, message: str) -> Statement | None:
        """Return what a line of sshd's says."""
        line = read_sshd_line(message)
        if line is None:
            return None
        return replace(line, details=_details(line.details))

    def is_genuine(self, entry: JournalEntry) -> bool:
        """Return whether sshd wrote the entry."""
        return self.trust.is_genuine(entry)


def _details(facts: Mapping[str, Detail]) -> dict[str, Detail]:
    details: dict[str, Detail] = {
        name: bounded_text(value) if isinstance(value, str) else value
        for name, value in facts.items()
        if name not in _NOT_DETAILS and value != _UNKNOWN.get(name)
    }
    port = details.pop("source_port", None)
    if port is not None and "source_ip" in details:
        details["source_port"] = int(port)
    return details
