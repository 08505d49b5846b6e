"""Entries that no filter finds, because journald was killed while it filed them.

journald writes an entry as a whole, then where the file lists its entries, and then where it lists
those of each field. What was cut short in between is in the journal, but not for those who ask for
its program or its boot. It is the last of its file, which the next journald sets aside.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from watchtower_agent.journal import position_of
from watchtower_agent.journalctl import JournalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchtower_agent.entry import JournalEntry
    from watchtower_agent.event import Event
    from watchtower_agent.journal import Journal
    from watchtower_agent.spool import Spool

log = logging.getLogger(__name__)


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
        self._failed: set[str] = set()

    def read(self) -> None:
        """Read those of the files that have come since the last time.

        One of them may be damaged so that journalctl hangs: it must not hold up the others, nor
        what is new. It is tried again when the agent starts anew.

        Raises:
            JournalError: nobody knows where the files are.
            SpoolError: what was not noted is read again the next time.
            StoppedError: the agent is to stop.
        """
        files = set(map(str, self._journal.unclean_files()))
        known = set(self._spool.known("unclean_files") or ())
        since = self._spool.began_at(time.time_ns() // 1000)
        new = sorted(files - known - self._failed)
        read = known & files | {file for file in new if self._read_last(file, since)}
        if read != known:
            self._spool.know("unclean_files", sorted(read))

    def _read_last(self, file: str, since: int) -> bool:
        """Return whether that need not be tried again."""
        try:
            entry = self._journal.last_entry(file)
            if (
                entry is not None
                and entry.realtime >= since
                and not self._journal.passes(position_of(entry))
            ):
                self._spool.add(self._events(entry, None), None)
        except JournalError as error:
            self._failed.add(file)
            log.warning(
                "The last entry of %s cannot be read: %s. If journald was killed while it wrote "
                "that, it may be missing.",
                file,
                error,
            )
            return False
        return True
