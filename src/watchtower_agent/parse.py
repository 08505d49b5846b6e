"""Journal entry in, event or nothing out. No input or output happens here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from watchtower_agent.event import UNTRUSTED, Event, bounded_text
from watchtower_agent.host import Host
from watchtower_agent.sshd_lines import read_sshd_line
from watchtower_agent.trust import SshdTrust, claims_sshd

if TYPE_CHECKING:
    from watchtower_agent.entry import JournalEntry

_UNKNOWN = {"UNKNOWN", "(null)"}


@dataclass(frozen=True)
class Parser:
    """Turns journal entries into events."""

    trust: SshdTrust = field(default_factory=SshdTrust)
    host: Host = field(default_factory=Host)

    def parse(self, entry: JournalEntry) -> Event | None:
        """Return what the entry says, or None when it says nothing about a login.

        An entry that only claims to be sshd's becomes an event of type ``untrusted`` that
        carries the text and none of its claims: no user, no address.

        Raises:
            EntryError: the entry has no usable time.
        """
        message = (entry.values("MESSAGE") or [b""])[0].decode("utf-8", "backslashreplace")
        line = read_sshd_line(message) if claims_sshd(entry) else None
        if line is None:
            return None
        genuine = self.trust.is_genuine(entry)
        facts = line.facts if genuine else {}
        port = facts.get("source_port")
        plain = self.host.event(
            line.type if genuine else UNTRUSTED,
            entry.timestamp,
            entry.event_id,
            entry.text("_HOSTNAME"),
        )
        return replace(
            plain,
            user=_bounded(facts.get("user")),
            method=facts.get("method"),
            source_ip=_known(facts.get("source_ip")),
            source_port=int(port) if port and _known(facts.get("source_ip")) else None,
            raw_message=bounded_text(message),
            key_type=facts.get("key_type"),
            key_fingerprint=_known(facts.get("key_fingerprint")),
            certificate_id=_bounded(facts.get("certificate_id")),
            certificate_ca=_known(facts.get("certificate_ca")),
            trusted=genuine,
            ambiguous=True if genuine and line.ambiguous else None,
        )


def _bounded(value: str | None) -> str | None:
    return None if value is None else bounded_text(value)


def _known(value: str | None) -> str | None:
    """Drop sshd's words for "could not be found out" (canohost.c, auth.c)."""
    return None if value in _UNKNOWN else value
