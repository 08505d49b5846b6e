"""Entries that no filter finds, because journald was killed while it filed them.

journald writes an entry as a whole, then where the file lists its entries, and then where it lists
those of each field. What was cut short in between is in the journal, but not for those who ask for
its program or its boot. It is the last of its file, which the next journald sets aside.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from watchtower_agent.journal import position_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchtower_agent.entry import JournalEntry
    from watchtower_agent.event import Event
    from watchtower_agent.journal import Journal
    from watchtower_agent.spool import Spool


class UnfiledEntries:
    """Reads the last entry of each file that journald did not close, if no filter finds it."""

    def __init__(
        self,
        journal: Journal,
        spool: Spool,
        events: Callable[[JournalEntry, JournalEntry | None], list[Event]],
    ) -> None:
        """Make events of an entry, given the one before it, by ``events``."""
        self._journal = journal
        self._spool = spool
        self._events = events

    def read(self) -> None:
        """Read those of the files that have come since the last time.

        Raises:
            JournalError: a file cannot be read now; all are looked at again the next time.
            SpoolError: likewise.
            StoppedError: the agent is to stop.
        """
        files = sorted(map(str, self._journal.unclean_files()))
        known = self._spool.known("unclean_files") or []
        if files == known:
            return
        since = self._spool.began_at(time.time_ns() // 1000)
        for file in files:
            if file not in known:
                entry = self._journal.last_entry(file)
                if entry is None or entry.realtime < since:
                    continue
                if not self._journal.passes(position_of(entry)):
                    self._spool.add(self._events(entry, None), None)
        self._spool.know("unclean_files", files)
