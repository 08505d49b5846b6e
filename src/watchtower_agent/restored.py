"""The collector's word that a backup was restored, and what is left to be done about it.

What the collector had acknowledged since the backup it has no longer, and the spool has forgotten
it. The journal has not: it is read again from then on, and what is stored after all is not stored
twice.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace

from watchtower_agent.clock import read_timestamp
from watchtower_agent.event import format_timestamp

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
        boots: those that are left, the first of which is being read; None before they are known.
        cursor: the last entry of that boot that was read, or None before its first.
    """

    restore_id: str
    since: int
    boots: tuple[str, ...] | None = None
    cursor: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to do."""
        return self.boots == ()

    @classmethod
    def begin(cls, restored: Restored, began_at: int) -> LookBack:
        """Begin where the missing events do, but not before this agent did (microseconds)."""
        since = int((restored.missing_since - _LATE_SECONDS) * 1_000_000)
        return cls(restored.restore_id, max(since, began_at, 1))

    @classmethod
    def from_json(cls, text: str) -> LookBack:
        """Read what the spool remembers.

        Raises:
            ValueError, TypeError, OverflowError: it is none.
        """
        look_back = cls(**json.loads(text))
        boots = [] if look_back.boots is None else look_back.boots
        texts = [look_back.restore_id, "" if look_back.cursor is None else look_back.cursor]
        if (
            type(look_back.since) is not int
            or not isinstance(boots, list)
            or not all(isinstance(value, str) for value in (*texts, *boots))
        ):
            raise TypeError("the look back is none")
        format_timestamp(look_back.since)
        return look_back if look_back.boots is None else replace(look_back, boots=tuple(boots))

    def to_json(self) -> str:
        """Return what the spool remembers."""
        return json.dumps(asdict(self))
