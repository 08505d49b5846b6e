"""The collector's word that a backup was restored, and what is left to be done about it.

What the collector had acknowledged since the backup it has no longer, and the spool has forgotten
it. The journal has not: it is read again from then on, and what is stored after all is not stored
twice.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass

from watchtower_agent.clock import read_timestamp

HEADER = "Watchtower-Restored"
_VALUE = re.compile(r"([0-9a-f]{32}) (\S{1,40})")
# Events may be stored that long after they were logged, and the clocks differ.
_LATE_SECONDS = 86_400


@dataclass(frozen=True)
class Restored:
    """A restore, and when the first of the missing events was stored, in seconds since 1970."""

    restore_id: str
    missing_since: float

    @classmethod
    def read(cls, header: str | None) -> Restored | None:
        """Read the header of an answer; None if it has none, or none that is understood."""
        found = None if header is None else _VALUE.fullmatch(header)
        if found is None:
            return None
        try:
            return cls(found[1], read_timestamp(found[2]))
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True)
class LookBack:
    """How far the journal was read again because of a restore.

    Attributes:
        since: where it begins, in microseconds since 1970.
        cursor: the last entry that was read, or None before the first.
        is_over: whether there is nothing left to do.
    """

    restore_id: str
    since: int
    cursor: str | None = None
    is_over: bool = False

    @classmethod
    def begin(cls, restored: Restored, began_at: int) -> LookBack:
        """Begin where the missing events do, but not before this agent did (microseconds)."""
        since = int((restored.missing_since - _LATE_SECONDS) * 1_000_000)
        return cls(restored.restore_id, max(since, began_at, 1))

    @classmethod
    def from_json(cls, text: str) -> LookBack:
        """Read what the spool remembers.

        Raises:
            ValueError, TypeError: it is none.
        """
        look_back = cls(**json.loads(text))
        if not (isinstance(look_back.restore_id, str) and isinstance(look_back.since, int)):
            raise TypeError("the look back is none")
        return look_back

    def to_json(self) -> str:
        """Return what the spool remembers."""
        return json.dumps(asdict(self))
