"""journald as a source of events: what it says of messages that it dropped.

journald drops what a unit writes beyond RateLimitBurst= in RateLimitIntervalSec=
(journald.conf(5)); whoever floods the journal may be hiding something in the flood.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from watchtower_agent.event import JOURNAL_GAP
from watchtower_agent.statement import Statement
from watchtower_agent.trust import DEFAULT_SSH_UNITS

if TYPE_CHECKING:
    from watchtower_agent.entry import JournalEntry

# sd-messages.h, SD_MESSAGE_JOURNAL_DROPPED.
MESSAGE_ID = "a596d6fe7bfa4994828e72309e95d61e"
# journald-server.c, server_dispatch_message(), systemd 247 to 257.
_LINE = re.compile(r"Suppressed (?P<lost_messages>\d{1,10}) messages from (?P<unit>\S+)")
# Where people work: what sudo and su write is in these.
_SESSION_UNITS = ("session-*.scope", "user@*.service")


@dataclass(frozen=True)
class Journald:
    """Tells of messages that are lost, where one of them could have become an event."""

    ssh_units: tuple[str, ...] = DEFAULT_SSH_UNITS

    def claims(self, entry: JournalEntry) -> bool:
        """Return whether the entry says that messages were dropped, rightly or not."""
        return MESSAGE_ID.encode() in entry.values("MESSAGE_ID")

    def read(self, message: str, _: JournalEntry) -> Statement | None:
        """Return how many messages of which unit are lost; None for a unit of no interest."""
        match = _LINE.fullmatch(message)
        if match is None:
            return None
        unit = match["unit"]
        if not any(fnmatchcase(unit, glob) for glob in (*self.ssh_units, *_SESSION_UNITS)):
            return None
        details = {
            "reason": "suppressed",
            "lost_messages": int(match["lost_messages"]),
            "unit": unit,
        }
        return Statement(JOURNAL_GAP, details, process="")

    def is_genuine(self, entry: JournalEntry) -> bool:
        """Return whether journald itself wrote the entry: only it can set this transport."""
        return entry.text("_TRANSPORT") == "driver"
