"""Journal entry in, event or nothing out. No input or output happens here."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from watchtower_agent.event import UNTRUSTED, Event, bounded_text, hash_id
from watchtower_agent.host import Host
from watchtower_agent.programs import known_programs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchtower_agent.entry import JournalEntry
    from watchtower_agent.event import Detail
    from watchtower_agent.statement import Program


@dataclass(frozen=True)
class Parser:
    """Turns journal entries into events."""

    programs: Sequence[Program] = field(default_factory=known_programs)
    host: Host = field(default_factory=Host)

    def parse(self, entry: JournalEntry) -> Event | None:
        """Return what the entry says, or None when it says nothing that makes an event.

        An entry that only claims to be a program's becomes an event of type ``untrusted`` that
        carries the text and none of its claims: no user, no address.

        Raises:
            EntryError: the entry has no usable time.
        """
        claimed = [program for program in self.programs if program.claims(entry)]
        if not claimed:
            return None
        message = entry.message
        # An entry can claim to be of several (su, called under the name sshd): one can read it.
        for program in claimed:
            statement = program.read(message, entry)
            if statement is not None:
                break
        else:
            return None
        details: dict[str, Detail | None]
        if statement.credible and program.is_genuine(entry):
            event_type = statement.type
            details = {
                **statement.details,
                "session_id": _session_id(entry, statement.process),
                "ambiguous": True if statement.ambiguous else None,
                "trusted": True,
            }
        else:
            event_type, details = UNTRUSTED, {"trusted": False}
        details["raw_message"] = bounded_text(message.rstrip())
        return self.host.event(
            event_type, entry.timestamp, entry.event_id, details, entry.text("_HOSTNAME")
        )


def _session_id(entry: JournalEntry, process: str | None) -> str | None:
    """Return 32 hex digits that all entries about one process share, whoever wrote them.

    sshd has a process for each connection: its failures, its login and the end of its session
    belong together.
    """
    if process == "":
        return None
    pid = process or entry.text("_PID") or ""
    return _hash_process(entry.text("_MACHINE_ID") or "", entry.text("_BOOT_ID") or "", pid)


@lru_cache(maxsize=256)  # a process says several things
def _hash_process(machine: str, boot: str, pid: str) -> str:
    return hash_id(b"session", machine.encode(), boot.encode(), pid.encode())
