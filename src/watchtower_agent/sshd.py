"""sshd as a source of events: OpenSSH 8.4 to 10.x."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from watchtower_agent.event import bounded_text
from watchtower_agent.sshd_lines import read_sshd_line
from watchtower_agent.statement import Statement
from watchtower_agent.trust import SshdTrust, claims_sshd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watchtower_agent.entry import JournalEntry
    from watchtower_agent.event import Detail

# sshd's words for "could not be found out": canohost.c, and auth.c with a NULL fingerprint.
_UNKNOWN = {"source_ip": "UNKNOWN", "key_fingerprint": "(null)", "certificate_ca": "(null)"}
# Slots that become details, and under which name; others are read for the line's shape only.
_DETAILS = {
    "certificate_ca": "certificate_ca",
    "certificate_id": "certificate_id",
    "certificate_serial": "certificate_serial",
    "key_fingerprint": "key_fingerprint",
    "key_type": "key_type",
    "method": "method",
    "reason": "reason",
    "source_host": "source_ip",
    "source_ip": "source_ip",
    "user": "user",
}
_NUMBERS = ("lost_connections", "source_port")


@dataclass(frozen=True)
class Sshd:
    """Tells what sshd says, and whether it was sshd that said it."""

    trust: SshdTrust = field(default_factory=SshdTrust)

    def claims(self, entry: JournalEntry) -> bool:
        """Return whether the entry calls itself sshd's."""
        return claims_sshd(entry)

    def read(self, message: str, entry: JournalEntry) -> Statement | None:
        """Return what a line of sshd's says."""
        line = read_sshd_line(message)
        if line is None or (line.before_login and _is_from_session(entry)):
            return None
        # Until 9.7 the end of a session of root's reads the same.
        ambiguous = line.ambiguous or (line.before_login and not message.endswith("]"))
        details = _details(line.details)
        return Statement(line.type, details, ambiguous, line.credible, line.process)

    def is_genuine(self, entry: JournalEntry) -> bool:
        """Return whether sshd wrote the entry."""
        return self.trust.is_genuine(entry)


def _details(facts: Mapping[str, Detail]) -> dict[str, Detail]:
    """Return the facts under the names, and in the types, of the event's details."""
    details: dict[str, Detail] = {}
    for name, value in facts.items():
        detail = _DETAILS.get(name)
        if name in _NUMBERS:
            details[name] = int(value)
        elif detail is not None and value != _UNKNOWN.get(detail):
            details[detail] = bounded_text(str(value))
    if "source_ip" not in details:
        details.pop("source_port", None)
    return details


def _is_from_session(entry: JournalEntry) -> bool:
    unit = entry.text("_SYSTEMD_UNIT") or ""
    return entry.text("_UID") != "0" or fnmatchcase(unit, "session-*.scope")
