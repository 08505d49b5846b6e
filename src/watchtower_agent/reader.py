"""The thread that moves the journal's news into the spool."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from watchtower_agent import gap
from watchtower_agent.complaints import IGNORED_FILE, damaged_file
from watchtower_agent.cursor import Cursor
from watchtower_agent.doorbell import Doorbell
from watchtower_agent.entry import EntryError, JournalEntry
from watchtower_agent.entry_reader import UnreadableEntry
from watchtower_agent.event import Event, format_timestamp
from watchtower_agent.horizon import Horizon
from watchtower_agent.journal import (
    CursorLostError,
    Journal,
    current_boot_id,
    is_before,
    position_at,
    position_of,
)
from watchtower_agent.journalctl import JournalError, StoppedError
from watchtower_agent.log import complain
from watchtower_agent.pulse import Pulse
from watchtower_agent.second_reading import SecondReading
from watchtower_agent.spool_file import SpoolError
from watchtower_agent.trouble import Trouble
from watchtower_agent.unfiled import UnfiledEntries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from watchtower_agent.parse import Parser
    from watchtower_agent.spool import Position, Spool
    from watchtower_agent.wakeup import Wakeup

log = logging.getLogger(__name__)

COMMIT_ENTRIES = 2000
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
# A reading that a rotation has disturbed is repeated; the next one is undisturbed, as a rule.
_READINGS = 3
# A journal file, if its name is known, and the boot in which the damage was noticed.
_Damage = tuple[str, str]


@dataclass
class _Group:
    """What is committed at once: events, and the cursors of the entries that were read."""

    events: list[Event] = field(default_factory=list)
    cursors: list[str] = field(default_factory=list)
    last: JournalEntry | None = None


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
        # Before anything is sent, and a restore is heard of with the answer.
        spool.begin_at((int(time.time()) - self._backfill_seconds) * 1_000_000)
        self._stop = stop
        self.pulse = Pulse()
        self._doorbell = Doorbell(journal.matches(), stop)
        self._anchored_at = 0.0
        self._horizon = Horizon(journal.files)
        self._looked_at: float | None = None
        self._damage_reported: set[_Damage] = set()
        self._damage_seen: dict[_Damage, Position | None] = {}
        self.trouble = Trouble()
        self._unfiled = UnfiledEntries(journal.apart(), spool, self._events)
        self._second_reading = SecondReading(journal.apart(), spool, parser.host, self._events)

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
                if self._horizon.was_crossed():
                    look = _FIRST_LOOK_SECONDS
                if rang:
                    self._stop.wait(_BREATH_SECONDS)
                elif found and look == _LAST_LOOK_SECONDS:
                    rang = self._doorbell.wait(_LATE_RING_SECONDS)
                    if rang:
                        continue
                    log.info("The follower of the journal has gone silent; another is started.")
                    self._doorbell.replace()
                    look = _FIRST_LOOK_SECONDS
                rang = self._wait(look)
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
        found = 0
        for _ in range(_READINGS):
            found += self._read()
            if not self._horizon.disturbed:
                break
        return found

    def _read(self) -> int:
        boot_id = current_boot_id()
        position = self._spool.position()
        # Looked up before reading, so that nothing falls between the two.
        tail = self._journal.tail(boot_id) if self._anchor_is_due(position, boot_id) else None
        self._horizon.begin(boot_id, Cursor.read(position.cursor) if position else None)
        found = self._read_on(position, boot_id) if position else self._read_first(boot_id)
        self._unfiled.read()
        self._report_damage(position)
        if not found and tail is not None and self._horizon.look():
            if position is None or not _has_passed(position, tail):
                self._spool.add([], position_of(tail))
            self._anchored_at = time.monotonic()
        return found

    def _drain_and_report(self) -> int | None:
        try:
            found = self.drain()
        except (JournalError, SpoolError) as error:
            sentence = f"The journal cannot be read on: {error}. It is tried again."
            if self.trouble.begin(sentence):
                complain(log, "%s", sentence)
            return None
        if self.trouble.end():
            log.info("The journal is read again.")
        return found

    def _wait(self, look: float) -> bool:
        """Wait for a ring, at most so long, and read a second time meanwhile if that is due.

        Returns whether it rang.
        """
        until = time.monotonic() + look
        while True:
            pause = self._second_reading.step()
            self.pulse.beat()
            left = max(0.0, until - time.monotonic())
            if self._doorbell.wait(min(pause, left)):
                return True
            if pause >= left:
                return False

    def _anchor_is_due(self, position: Position | None, boot_id: str) -> bool:
        if position is None or position.boot_id != boot_id:
            return True
        return time.monotonic() - self._anchored_at > _ANCHOR_SECONDS

    def _read_first(self, boot_id: str) -> int:
        """Read as far back as told; all there is, if a damaged spool was set aside."""
        aside = self._spool.replaces()
        if aside is None:
            boots = self._journal.boots()
            found = 0
            since = max(1, int(time.time()) - self._backfill_seconds)
            if self._backfill_seconds:
                found = self._store(self._journal.since(since))
            self._spool.know("boots", [boot for boot in boots if boot != boot_id])
            self._looked_at = time.monotonic()
            return found
        head = self._journal.head()
        if head is None or not self._horizon.look():
            return 0
        found = self._begin_anew(gap.spool_damaged(self._parser.host, aside, head), head)
        return found + self._read_other_boots(position_of(head), boot_id)

    def _read_on(self, position: Position, boot_id: str) -> int:
        """Read what follows a position: the rest of its boot, then what other boots there are."""
        try:
            found = self._store(self._journal.after(position))
        except CursorLostError:
            head = self._journal.head()
            if not self._horizon.look():
                # Perhaps it is in a file that is being renamed.
                return 0
            if head is None:
                # An empty journal: journald has not begun to write. Wait for its first entry.
                return 0
            # With the clock set back since, nothing is that late.
            left = self._journal.oldest_behind(position) or head
            log.warning(
                "The journal no longer holds the entry up to which it was read (%s), or not what "
                "followed it; it goes on at %s. What was logged in between may be lost; it was "
                "vacuumed, or the journal is not kept across reboots (Storage=persistent in "
                "journald.conf keeps it).",
                format_timestamp(position.realtime),
                format_timestamp(left.realtime),
            )
            found = self._begin_anew(gap.vanished(self._parser.host, position, left), head)
            position = position_of(head)
        return found + self._read_other_boots(position, boot_id)

    def _begin_anew(self, gap_event: Event, head: JournalEntry) -> int:
        """Report a gap and read from the oldest entry left to the end of its boot."""
        self._spool.know("boots", [])
        self._spool.add([gap_event, *self._events(head, None)], position_of(head))
        return self._store(self._journal.boot(position_of(head).boot_id))

    def _read_other_boots(self, position: Position, boot_id: str) -> int:
        """Read boots that were not there when last looked, and the present one if it is new.

        Time does not tell them: the clock may have been set back in between (systemd#6213), and
        files of an older boot may appear late.
        """
        found = 0
        if position.boot_id != boot_id or self._boots_are_due():
            there = self._journal.boots()
            for boot in self._unread(there, position, boot_id):
                # The position stays in the boot that it is in; that boot's end is known to it.
                found += self._store(self._journal.boot(boot), moves=False)
                if not self._horizon.look():
                    return found
                self._spool.know("boots", [*(self._spool.known("boots") or ()), boot])
            # The running one is not, before there is a position in it.
            self._spool.know("boots", [boot for boot in there if boot != boot_id])
            self._looked_at = time.monotonic()
        if position.boot_id != boot_id and self._horizon.look():
            found += self._store(self._journal.boot(boot_id))
        return found

    def _boots_are_due(self) -> bool:
        return self._looked_at is None or time.monotonic() - self._looked_at > _ANCHOR_SECONDS

    def _unread(self, there: Sequence[str], position: Position, boot_id: str) -> list[str]:
        """Return the boots to read as a whole, oldest first."""
        known = self._spool.known("boots")
        unread = []
        for boot in set(there) - {position.boot_id, boot_id, *(known or ())}:
            head = self._journal.head(boot)
            # A spool of an earlier version knows no boots; then the clock has to tell.
            if head is not None and (known is not None or head.realtime > position.realtime):
                unread.append((head.realtime, boot))
        return [boot for _, boot in sorted(unread)]

    def _report_damage(self, since: Position | None) -> None:
        """Report, once for each file, that journalctl left out what it could not read.

        That it ignores a file is said at each reading, and believed the second time: one that is
        just being made looks alike.
        """
        damage = self._journal.take_damage()
        until = self._spool.position()
        if not damage or until is None or self._horizon.disturbed:
            return
        key = (damaged_file(damage), until.boot_id)
        if key in self._damage_reported:
            return
        if IGNORED_FILE in damage:
            if key not in self._damage_seen:
                self._damage_seen = {key: since}
                return
            since = self._damage_seen[key]
        log.warning(
            "A file of the journal is damaged, and entries in it may never have been read (%s). "
            "'journalctl --verify' tells which file it is.",
            damage,
        )
        ends = ((since or until).realtime, until.realtime)
        self._spool.add([gap.damaged(self._parser.host, ends, key)], None)
        self._damage_reported.add(key)

    def _store(self, entries: Iterable[JournalEntry], *, moves: bool = True) -> int:
        """Parse entries and commit them, with the position behind them if it moves, in groups."""
        found = 0
        last: JournalEntry | None = None
        group = _Group()
        committed_at = time.monotonic()
        try:
            for entry in entries:
                if not self._horizon.has_stored(entry):
                    found += 1
                    group.events += self._events(entry, last)
                group.cursors.append(entry.cursor)
                group.last = last = entry
                if (
                    len(group.cursors) == COMMIT_ENTRIES
                    or time.monotonic() - committed_at > COMMIT_SECONDS
                ):
                    self._commit(group, moves=moves)
                    group, committed_at = _Group(), time.monotonic()
        finally:
            # Also when journalctl fails half way: what it said up to there is whole.
            self._commit(group, moves=moves)
            self._spool.counters.entries_read += found
        return found

    def _commit(self, group: _Group, *, moves: bool) -> None:
        """Commit a group, with the position behind the last of its complete entries."""
        complete = self._horizon.complete(group.cursors) if moves else 0
        position = None
        if group.last is not None and complete == len(group.cursors):
            position = position_of(group.last)
        elif complete:
            position = position_at(group.cursors[complete - 1])
        if group.events or position is not None:
            self._spool.add(group.events, position)
        if moves:
            self._horizon.store(group.cursors, complete)
        self.pulse.beat()

    def _events(self, entry: JournalEntry, before: JournalEntry | None) -> list[Event]:
        """Return the event that an entry makes, if any; ``before`` is the one before it."""
        if isinstance(entry, UnreadableEntry):
            since = entry.realtime if before is None else before.realtime
            return [gap.unreadable(self._parser.host, since, entry)]
        try:
            event = self._parser.parse(entry)
        except EntryError as error:
            log.warning("An entry of the journal was skipped: %s", error)
            return []
        return [] if event is None else [event]


def _has_passed(position: Position, entry: JournalEntry) -> bool:
    here, there = Cursor.read(position.cursor), Cursor.read(entry.cursor)
    return here.boot_id == there.boot_id and is_before(there, here)
