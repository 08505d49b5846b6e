"""What one line of a program's log says, before it is known whether it may be believed."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watchtower_agent.entry import JournalEntry
    from watchtower_agent.event import Detail


class Statement(NamedTuple):
    """What one line says.

    Attributes:
        type: the event's type.
        details: the event's details. Only what every possible reading of the line agrees on.
        ambiguous: whether there is more than one reading.
        credible: False when the line's own marks show that a part of the program without
            privileges wrote it, whose word does not count for this.
    """

    type: str
    details: Mapping[str, Detail] = MappingProxyType({})
    ambiguous: bool = False
    credible: bool = True
    process: str | None = None
    before_login: bool = False


class Program(Protocol):
    """A program whose lines become events."""

    def claims(self, entry: JournalEntry) -> bool:
        """Return whether the entry says, rightly or not, that this program wrote it."""

    def read(self, message: str, entry: JournalEntry) -> Statement | None:
        """Return what a line of this program says, or None when it is of no kind of interest.

        The entry that holds the message may say more, such as whose process wrote it.
        """

    def is_genuine(self, entry: JournalEntry) -> bool:
        """Return whether this program wrote the entry, by what journald says of the sender."""
