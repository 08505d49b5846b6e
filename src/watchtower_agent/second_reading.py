"""Reads the journal a second time, after the collector has lost what it had acknowledged."""

from __future__ import annotations

import logging
import math
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from watchtower_agent import gap
from watchtower_agent.backoff import jitter
from watchtower_agent.complaints import IGNORED_FILE, damaged_file
from watchtower_agent.cursor import Cursor
from watchtower_agent.event import format_timestamp
from watchtower_agent.journal import is_behind
from watchtower_agent.journalctl import JournalError
from watchtower_agent.log import complain
from watchtower_agent.spool import stored_bytes
from watchtower_agent.spool_file import SpoolError
from watchtower_agent.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchtower_agent.entry import JournalEntry
    from watchtower_agent.event import Event
    from watchtower_agent.host import Host
    from watchtower_agent.journal import Journal
    from watchtower_agent.restored import LookBack
    from watchtower_agent.spool import Spool

log = logging.getLogger(__name__)

# A new login is to go with the next batch, so both together are less than one holds.
PIECE_ENTRIES = 250
_MOST_WAITING = 100
_PAUSE_SECONDS = 1.0
# All hosts hear of a restore within a minute; what they send is bounded by what is acknowledged.
_SPREAD_SECONDS = 120.0
# A journalctl that hangs holds up the first reading for two minutes.
_RETRY_SECONDS = 600.0


class SecondReading:
    """Puts into the spool again what the journal holds since a restored backup was made.

    It reads boot by boot, as the first reading does, for within a boot the order does not depend
    on the clock.
    """

    def __init__(
        self,
        journal: Journal,
        spool: Spool,
        host: Host,
        events: Callable[[JournalEntry, JournalEntry | None], list[Event]],
    ) -> None:
        """Make events of an entry, given the one before it, by ``events``."""
        self._journal = journal
        self._spool = spool
        self._host = host
        self._events = events
        self._restore_id = ""
        self._due_at = 0.0
        self._trouble = Trouble()
        self._damage: set[str] = set()

    def step(self) -> float:
        """Read one piece if it is time to; return the seconds until the next, or infinity.

        What goes wrong is said once, and tried again: new events do not wait for old ones.

        Raises:
            StoppedError: the agent is to stop.
        """
        try:
            look_back = self._spool.look_back()
            if look_back is None or look_back.is_over:
                return math.inf
            if look_back.restore_id != self._restore_id:
                self._hear_of(look_back)
            if time.monotonic() >= self._due_at:
                self._due_at = time.monotonic() + _PAUSE_SECONDS
                self._read_on(look_back)
        except (JournalError, SpoolError) as error:
            self._due_at = time.monotonic() + _RETRY_SECONDS
            # What was found may not be in the spool.
            self._damage.clear()
            sentence = (
                f"What the collector may have lost cannot be read again: {error}. It is tried "
                f"again every {_RETRY_SECONDS / 60:.0f} minutes."
            )
            if self._trouble.begin(sentence):
                complain(log, "%s", sentence)
        return max(0.0, self._due_at - time.monotonic())

    def _hear_of(self, look_back: LookBack) -> None:
        log.warning(
            "The collector was restored from a backup. The journal is read again from %s on, "
            "and what is missing there is sent again. It begins within %.0f minutes.",
            format_timestamp(look_back.since),
            _SPREAD_SECONDS / 60,
        )
        self._restore_id = look_back.restore_id
        # Their last entries are read again, too.
        self._spool.know("unclean_files", [])
        self._due_at = time.monotonic() + jitter(0, _SPREAD_SECONDS)
        self._damage.clear()

    def _read_on(self, look_back: LookBack) -> None:
        """Read one piece if the spool has room for it."""
        room = self._spool.room(_MOST_WAITING)
        if not room:
            return
        files = self._journal.files()
        boots = look_back.boots
        if boots is None:
            boots = tuple(self._journal.boots())
        read = replace(look_back, boots=boots)
        events: list[Event] = []
        if boots:
            events, cursor = self._piece(boots[0], look_back, room)
            read = replace(read, boots=boots if cursor else boots[1:], cursor=cursor)
        gaps, is_sure = self._gaps(look_back)
        # A file that was renamed while journalctl looked for files can have escaped it.
        moves = is_sure and self._journal.files() == files
        self._spool.add([*events, *gaps], None, read if moves else None)
        if self._trouble.end():
            log.info("What the collector may have lost is read again.")
        if moves and read.is_over:
            log.info("What the collector may have lost is in the spool again.")

    def _piece(
        self, boot_id: str, look_back: LookBack, room: int
    ) -> tuple[list[Event], str | None]:
        """Return a piece's events, and the cursor of its last entry if the boot has more."""
        events: list[Event] = []
        last: JournalEntry | None = None
        count = size = 0
        # Entry by entry: a piece can be as many megabytes.
        entries = self._journal.again(boot_id, look_back.since, look_back.cursor)
        with closing(entries):
            for entry in entries:
                if (
                    last is not None
                    and (count >= PIECE_ENTRIES or size >= room)
                    and is_behind(Cursor.read(entry.cursor), Cursor.read(last.cursor))
                ):
                    return events, last.cursor
                made = self._events(entry, last)
                events += made
                size += sum(stored_bytes(event.to_json()) for event in made)
                count += 1
                last = entry
        return events, None

    def _gaps(self, look_back: LookBack) -> tuple[list[Event], bool]:
        """Return a gap for what journalctl left out of a damaged file, once for each file.

        And whether that is sure: a file that is ignored may only be being made.
        """
        damage = self._journal.take_damage()
        path = damaged_file(damage)
        if not damage or path in self._damage:
            return [], True
        if IGNORED_FILE in damage and damage not in self._damage:
            self._damage.add(damage)
            return [], False
        self._damage.add(path)
        log.warning(
            "A file of the journal is damaged, and entries in it may be missing in what is read "
            "again (%s). 'journalctl --verify' tells which file it is.",
            damage,
        )
        ends = (look_back.since, time.time_ns() // 1000)
        return [gap.damaged(self._host, ends, (path, look_back.restore_id))], True
