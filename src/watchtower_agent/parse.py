"""Journal entry in, event or nothing out. No input or output happens here."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from watchtower_agent.entry import JournalEntry
from watchtower_agent.event import UNTRUSTED, Event, bounded_text, hash_id
from watchtower_agent.host import Host
from watchtower_agent.programs import known_programs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchtower_agent.entry import FieldValue
    from watchtower_agent.event import Detail
    from watchtower_agent.statement import Program, Statement

# What an entry claims to be, and what the kernel says of its sender. The same process, and others
# like it, send many entries, so what follows from these is remembered.
_SENDER_FIELDS = (
    "MESSAGE_ID",
    "SYSLOG_IDENTIFIER",
    "_CAP_EFFECTIVE",
    "_COMM",
    "_EXE",
    "_SYSTEMD_UNIT",
    "_TRANSPORT",
    "_UID",
)
_SENDERS_REMEMBERED = 256
# Longer than what an honest sender has there; the memory is not for others to fill.
_SENDER_CHARACTERS = 1000


@dataclass(frozen=True)
class Parser:
    """Turns journal entries into events."""

    programs: Sequence[Program] = field(default_factory=known_programs)
    host: Host = field(default_factory=Host)
    _remembered: dict[tuple[object, ...], list[tuple[Program, bool]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def parse(self, entry: JournalEntry) -> Event | None:
        """Return what the entry says, or None when it says nothing that makes an event.

        An entry that only claims to be a program's becomes an event of type ``untrusted`` that
        carries the text and none of its claims: no user, no address.

        Raises:
            EntryError: the entry has no usable time.
        """
        claimed = self._claimed(entry)
        message = entry.message if claimed else ""
        # An entry can claim to be of several (su, called under the name sshd): one can read it.
        for program, is_genuine in claimed:
            statement = program.read(message, entry)
            if statement is not None:
                return self._event(entry, message, statement, is_genuine=is_genuine)
        return None

    def _event(
        self, entry: JournalEntry, message: str, statement: Statement, *, is_genuine: bool
    ) -> Event:
        event_type = UNTRUSTED
        details: dict[str, Detail | None] = {"trusted": False}
        if statement.credible and is_genuine:
            event_type = statement.type
            details = {
                **statement.details,
                "session_id": _session_id(entry, statement.process),
                "ambiguous": True if statement.ambiguous else None,
                "trusted": True,
            }
        details["raw_message"] = bounded_text(message.rstrip())
        return self.host.event(
            event_type, entry.timestamp, entry.event_id, details, entry.text("_HOSTNAME")
        )

    def _claimed(self, entry: JournalEntry) -> list[tuple[Program, bool]]:
        """Return the programs that an entry claims to be of, and whether each wrote it."""
        sender = tuple(map(entry.fields.get, _SENDER_FIELDS))
        try:
            claimed = self._remembered.get(sender)
        except TypeError:  # a field that is given twice is a list
            return self._look_up(sender)
        if claimed is None:
            claimed = self._look_up(sender)
            if len(str(sender)) <= _SENDER_CHARACTERS:
                if len(self._remembered) >= _SENDERS_REMEMBERED:
                    self._remembered.clear()
                self._remembered[sender] = claimed
        return claimed

    def _look_up(self, sender: tuple[FieldValue, ...]) -> list[tuple[Program, bool]]:
        # Without its other fields, so that nothing depends on them.
        entry = JournalEntry(dict(zip(_SENDER_FIELDS, sender)))
        return [(p, p.is_genuine(entry)) for p in self.programs if p.claims(entry)]


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
