"""The thread that moves the journal's news into the spool."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from watchtower_agent.doorbell import Doorbell
from watchtower_agent.entry import EntryError, JournalEntry
from watchtower_agent.event import JOURNAL_GAP, Event, format_timestamp, hash_id
from watchtower_agent.journal import CursorLostError, Journal, current_boot_id, position_of
from watchtower_agent.journalctl import JournalError, StoppedError
from watchtower_agent.log import complain
from watchtower_agent.pulse import Pulse
from watchtower_agent.spool_file import SpoolError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watchtower_agent.parse import Parser
    from watchtower_agent.spool import Position, Spool
    from watchtower_agent.wakeup import Wakeup

log = logging.getLogger(__name__)

COMMIT_ENTRIES = 500
COMMIT_SECONDS = 0.5
# Without a ring the journal is read at these distances: soon after the follower's start, when
# it may not look yet, and then seldom.
_FIRST_LOOK_SECONDS = 1.0
_LAST_LOOK_SECONDS = 64.0
# sshd writes several lines for one login; the first is read at once, the others together.
_BREATH_SECONDS = 0.25
# A follower must ring within this time for entries that were found without it.
_LATE_RING_SECONDS = 5.0
_RETRY_SECONDS = 10.0
# The position moves on even when no login happens, before its entry is vacuumed.
_ANCHOR_SECONDS = 1800.0


class JournalReader:
    """Reads the journal from the spool's position whenever there may be news."""

    def __init__(
        self,
        journal: Journal,
        spool: Spool,
        parser: Parser,
        backfill_hours: int,
        stop: Wakeup,
    ) -> None:
        self._journal = journal
        self._spool = spool
        self._parser = parser
        self._backfill_seconds = backfill_hours * 3600
        self._stop = stop
        self.pulse = Pulse()
        self._doorbell = Doorbell(journal.matches(), stop)
        self._anchored_at = 0.0
        self._last_failure = ""

    def run(self) -> None:
        """Read until told to stop. What can pass, a full disk for example, is waited out."""
        look = _FIRST_LOOK_SECONDS
        rang = False
        try:
            while not self._stop.is_set():
                self.pulse.beat()
                found = self._drain_and_report()
                if found is None:
                    self._stop.wait(_RETRY_SECONDS)
                    continue
                if rang:
                    self._stop.wait(_BREATH_SECONDS)
                elif found and look == _LAST_LOOK_SECONDS:
                    rang = self._doorbell.wait(_LATE_RING_SECONDS)
                    if rang:
                        continue
                    log.info("The follower of the journal has gone silent; another is started.")
                    self._doorbell.replace()
                    look = _FIRST_LOOK_SECONDS
                rang = self._doorbell.wait(look)
                look = min(look * 2, _LAST_LOOK_SECONDS)
        except StoppedError:
            return
        finally:
            self._doorbell.replace()

    def drain(self) -> int:
        """Read to the end of the journal; return how many entries there were.

        Raises:
            JournalError: the journal cannot be read.
            SpoolError: the spool cannot be written; what was not committed is read again.
            StoppedError: the agent is to stop.
        """
        boot_id = current_boot_id()
        position = self._spool.position()
        # Looked up before reading, so that nothing falls between the two.
        tail = self._journal.tail(boot_id) if self._anchor_is_due(position, boot_id) else None
        if position is None:
            found = self._store(self._first_reading())
        else:
            found = self._read_on(position, boot_id)
        if not found and tail is not None:
            self._spool.add([], position_of(tail))
            self._anchored_at = time.monotonic()
        return found

    def _drain_and_report(self) -> int | None:
        try:
            found = self.drain()
        except (JournalError, SpoolError) as error:
            if str(error) != self._last_failure:
                complain(log, "The journal cannot be read on: %s. It is tried again.", error)
                self._last_failure = str(error)
            return None
        if self._last_failure:
            log.info("The journal is read again.")
            self._last_failure = ""
        return found

    def _anchor_is_due(self, position: Position | None, boot_id: str) -> bool:
        if position is None or position.boot_id != boot_id:
            return True
        return time.monotonic() - self._anchored_at > _ANCHOR_SECONDS

    def _first_reading(self) -> Iterable[JournalEntry]:
        aside = self._spool.replaces()
        if aside is not None:
            head = self._journal.head()
            if head is not None:
                self._report_gap(
                    "spool_damaged",
                    head,
                    # Its name holds the time, so that each damage is a gap of its own.
                    aside.encode(),
                    f"The agent's spool was damaged and is kept as {aside}. The journal is read "
                    f"again from {format_timestamp(head.realtime)} on; events from before then "
                    "that were still waiting in the spool may be missing.",
                    head.realtime,
                )
            return self._journal.since(0)
        if not self._backfill_seconds:
            return ()
        return self._journal.since(max(1, int(time.time()) - self._backfill_seconds))

    def _read_on(self, position: Position, boot_id: str) -> int:
        """Read what follows a position.

        Within a boot the journal's order is sure. Across boots it is the order of the clock,
        which may have been set back (systemd#6213), and then new entries stand *before* the
        position. So the rest of earlier boots is read first, and then the present one from its
        beginning.
        """
        try:
            if position.boot_id == boot_id:
                return self._store(self._journal.after(position, boot_id))
            earlier = (
                entry
                for entry in self._journal.after(position)
                if entry.text("_BOOT_ID") != boot_id
            )
            return self._store(earlier) + self._store(self._journal.boot(boot_id))
        except CursorLostError:
            return self._bridge_gap(position)

    def _bridge_gap(self, position: Position) -> int:
        """Report that entries may be missing, and go on with the oldest that is left."""
        head = self._journal.head()
        if head is None:
            # An empty journal: journald has not begun to write. Wait for its first entry.
            return 0
        last, oldest = format_timestamp(position.realtime), format_timestamp(head.realtime)
        log.warning(
            "The journal no longer holds the entry up to which it was read (%s); its oldest is "
            "from %s. What was logged in between may be lost; it was vacuumed, or the journal "
            "is not kept across reboots (Storage=persistent in journald.conf keeps it).",
            last,
            oldest,
        )
        self._report_gap(
            "entries_vanished",
            head,
            position.cursor.encode(),
            f"The journal was read up to {last}. That entry is gone; the oldest left is from "
            f"{oldest}. Logins in between may be missing.",
            position.realtime,
        )
        found = self._store(self._journal.since(0))
        if not found:
            self._spool.add([], position_of(head))
        return found

    def _report_gap(
        self, reason: str, head: JournalEntry, lost: bytes, text: str, since: int
    ) -> None:
        """Store a gap from ``since`` (microseconds since 1970) to the oldest entry left."""
        gap = self._parser.host.event(
            JOURNAL_GAP,
            format_timestamp(since),
            hash_id(b"journal_gap", lost, head.cursor.encode()),
            {
                "reason": reason,
                "gap_since": format_timestamp(since),
                "gap_until": format_timestamp(head.realtime),
                "raw_message": text,
                "trusted": True,
            },
            head.text("_HOSTNAME"),
        )
        self._spool.add([gap], None)

    def _store(self, entries: Iterable[JournalEntry]) -> int:
        """Parse entries and commit them, with the position behind them, in groups."""
        found = 0
        events: list[Event] = []
        position: Position | None = None
        committed_at = time.monotonic()
        try:
            for entry in entries:
                found += 1
                try:
                    event = self._parser.parse(entry)
                    position = position_of(entry)
                except EntryError as error:
                    log.warning("An entry of the journal was skipped: %s", error)
                    continue
                if event is not None:
                    events.append(event)
                if found % COMMIT_ENTRIES == 0 or time.monotonic() - committed_at > COMMIT_SECONDS:
                    self._spool.add(events, position)
                    self.pulse.beat()
                    events, position, committed_at = [], None, time.monotonic()
        finally:
            # Also when journalctl fails half way: what it said up to there is whole.
            if position is not None:
                self._spool.add(events, position)
        return found
