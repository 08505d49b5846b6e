"""Reads the journal a second time, after the collector has lost what it had acknowledged."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from watchtower_agent.event import format_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchtower_agent.entry import JournalEntry
    from watchtower_agent.event import Event
    from watchtower_agent.journal import Journal
    from watchtower_agent.spool import Spool

log = logging.getLogger(__name__)

# What is new comes first: a piece is read only when the spool has room, and then a pause is made.
PIECE_ENTRIES = 500
PAUSE_SECONDS = 1.0
_SPOOL_HAS_ROOM = 500


class SecondReading:
    """Puts into the spool again what the journal holds since a restored backup was made."""

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

    def step(self) -> bool:
        """Read one piece if there is one to read; return whether more is left.

        Raises:
            JournalError: the journal cannot be read.
            SpoolError: the spool cannot be written; the piece is read again.
            StoppedError: the agent is to stop.
        """
        look_back = self._spool.look_back()
        if look_back is None or look_back.is_over:
            return False
        if self._spool.depth() > _SPOOL_HAS_ROOM:
            return True
        if look_back.cursor is None:
            log.warning(
                "The collector was restored from a backup. The journal is read again from %s on, "
                "and what is missing there is sent again.",
                format_timestamp(look_back.since),
            )
        events: list[Event] = []
        last: JournalEntry | None = None
        count = 0
        # Entry by entry: 500 of them can be as many megabytes.
        with closing(self._journal.again(look_back.since, look_back.cursor)) as entries:
            for entry in islice(entries, PIECE_ENTRIES):
                events += self._events(entry, last)
                last = entry
                count += 1
        is_over = count < PIECE_ENTRIES
        cursor = look_back.cursor if last is None else last.cursor
        self._spool.add(events, None, replace(look_back, cursor=cursor, is_over=is_over))
        if is_over:
            log.info("What the collector may have lost is in the spool again.")
        return not is_over
