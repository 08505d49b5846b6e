"""Runs journalctl and yields the entries it prints, whatever state the journal's files are in."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from watchtower_agent.complaints import Complaints
from watchtower_agent.cursor import Cursor
from watchtower_agent.entry import ENTRY_FIELDS, JournalEntry
from watchtower_agent.export_format import ExportStream
from watchtower_agent.journalctl import Journalctl, JournalctlExitError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from watchtower_agent.wakeup import Wakeup

log = logging.getLogger(__name__)

# journalctl(1), --show-cursor.
_SHOWN_CURSOR = "-- cursor: "


class UnreadableEntry(JournalEntry):
    """An entry of a damaged file of which only the address can be read."""

    @classmethod
    def at(cls, cursor: str) -> UnreadableEntry | None:
        """Return the entry that a cursor names, if the cursor says enough about it."""
        here = Cursor.read(cursor)
        if here.realtime is None:
            return None
        return cls(
            {
                "__CURSOR": cursor,
                "__REALTIME_TIMESTAMP": str(here.realtime),
                "_BOOT_ID": here.boot_id,
            }
        )


class EntryReader:
    """Reads entries.

    Attributes:
        damage: what journalctl said about a damaged file, of which it may have left out entries
            without an error; or empty.
    """

    def __init__(self, stop: Wakeup) -> None:
        self.damage = ""
        self._complaints = Complaints()
        self._stop = stop

    def read(
        self, arguments: Sequence[str], matches: Sequence[str]
    ) -> Generator[JournalEntry, None, None]:
        """Yield what journalctl prints, with an UnreadableEntry for what it fails at.

        It ends at an entry of a damaged file ("Invalid field."), and would do so each time. The
        arguments name a cursor to begin at: without one --lines counts from the end, and the first
        entry could not be looked at alone.

        Raises:
            JournalError: journalctl failed for another reason.
            StoppedError: the agent is to stop.
        """
        beyond: JournalEntry | None = None
        while True:
            last: JournalEntry | None = None
            try:
                for entry in self._printed(arguments, matches):
                    last = entry
                    yield entry
            except JournalctlExitError as error:
                failure = error
            else:
                return
            if last is not None:
                arguments = self._behind(last, matches)
            if self._can_read_one(arguments, matches):
                raise failure
            before, beyond = beyond, self._last_unreadable(arguments, matches)
            if beyond is None or (before is not None and before.cursor == beyond.cursor):
                raise failure
            log.warning("Entries of the journal were stepped over: %s.", failure)
            yield beyond
            arguments = self._behind(beyond, matches)

    def _last_unreadable(
        self, arguments: Sequence[str], matches: Sequence[str]
    ) -> UnreadableEntry | None:
        """Return the last of the entries in a row that cannot be read, or None if there is none.

        A damaged field that all entries of a file share makes them all unreadable: it is looked
        for in strides that double, and then between the last two.
        """
        high = 1
        found: UnreadableEntry | None = None
        while True:
            entry = self._address(arguments, matches, high)
            if entry is None or (found is not None and entry.cursor == found.cursor):
                return found
            found = entry
            if self._can_read_one(self._behind(entry, matches), matches):
                break
            high *= 2
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            entry = self._address(arguments, matches, middle)
            if entry is None:
                return found
            if self._can_read_one(self._behind(entry, matches), matches):
                high, found = middle, entry
            else:
                low = middle
        return found

    def _behind(self, entry: JournalEntry, matches: Sequence[str]) -> list[str]:
        """Return the arguments that begin right behind an entry.

        --after-cursor skips the first entry that it comes to, whether that is the cursor's own or
        not (systemd#30288).
        """
        cursor = f"cursor={entry.cursor}"
        first = self._address([f"--{cursor}"], matches, 1)
        is_there = first is not None and first.cursor == entry.cursor
        return [f"--after-{cursor}" if is_there else f"--{cursor}"]

    def _can_read_one(self, arguments: Sequence[str], matches: Sequence[str]) -> bool:
        """Return whether the first entry can be read; also if there is none."""
        try:
            for _ in self._printed([*arguments, "--lines=1"], matches):
                pass
        except JournalctlExitError:
            return False
        return True

    def _printed(
        self, arguments: Sequence[str], matches: Sequence[str]
    ) -> Generator[JournalEntry, None, None]:
        """Run journalctl once."""
        output = ("--output=export", "--quiet", f"--output-fields={','.join(ENTRY_FIELDS)}")
        with Journalctl([*output, *arguments, *matches], self._stop) as journalctl:
            self._complaints = journalctl.complaints
            stream = ExportStream(journalctl.output())
            yield from stream.entries()
            if stream.skipped:
                log.warning(
                    "%d journal entries of over a megabyte were skipped: sshd writes none.",
                    stream.skipped,
                )
            self.note_damage()

    def note_damage(self) -> None:
        """Note what journalctl has said of damage up to where it was stopped.

        At the end of a reading that is done by itself.
        """
        self.damage = self.damage or self._complaints.damage

    def _address(
        self, arguments: Sequence[str], matches: Sequence[str], count: int
    ) -> UnreadableEntry | None:
        """Return the last of so many entries, without reading more than where it is."""
        output = ("--output=cat", "--output-fields=_BOOT_ID", "--show-cursor", "--quiet")
        line = b""
        try:
            with Journalctl(
                [*output, *arguments, f"--lines={count}", *matches], self._stop
            ) as journalctl:
                for printed in journalctl.lines():
                    line = printed
        except JournalctlExitError:
            return None
        return UnreadableEntry.at(line.decode("ascii", "replace").partition(_SHOWN_CURSOR)[2])
