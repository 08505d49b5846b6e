"""Reads the entries that may concern logins, in order, from where it left off.

Nothing here follows the journal: each reading runs from a cursor to the end and is over. That,
and asking for the cursor's own entry again (``--cursor``) instead of for what comes after it
(``--after-cursor`` skips an entry too many when a filter hides the cursor's own, systemd#30288),
is what makes a reading exact.
"""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from watchtower_agent.entry import ENTRY_FIELDS, EntryError, JournalEntry
from watchtower_agent.journalctl import Journalctl, JournalError
from watchtower_agent.spool import Position
from watchtower_agent.trust import SSHD_NAMES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from watchtower_agent.wakeup import Wakeup

log = logging.getLogger(__name__)

_BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")
# What an entry claims to be, whether it may be believed or not: parse tells the two apart.
_CLAIMS = tuple(
    tuple(f"{field}={name}" for name in (*SSHD_NAMES, "sudo", "su"))
    for field in ("SYSLOG_IDENTIFIER", "_COMM")
)
# journald's own word about messages that it dropped (SD_MESSAGE_JOURNAL_DROPPED).
_SUPPRESSED = ("_TRANSPORT=driver", "MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e")


class CursorLostError(Exception):
    """The entry that a cursor names is no longer in the journal."""


def position_of(entry: JournalEntry) -> Position:
    """Return the position right behind an entry.

    Raises:
        EntryError: the entry lacks its address fields.
    """
    return Position(entry.cursor, entry.text("_BOOT_ID") or "", entry.realtime)


def current_boot_id() -> str:
    """Return the kernel's id of the running boot, as journald writes it: random(4).

    Raises:
        JournalError: it cannot be read.
    """
    try:
        return _BOOT_ID_FILE.read_text(encoding="ascii").strip().replace("-", "")
    except OSError as error:
        raise JournalError(
            f"{_BOOT_ID_FILE} cannot be read: {error.strerror}. "
            "The unit must not hide it (ProcSubset=pid)"
        ) from None


class Journal:
    """The journal of this host, or of the directory that ``source`` names."""

    def __init__(self, stop: Wakeup, source: Sequence[str] = ()) -> None:
        self._stop = stop
        self._source = tuple(source)

    def matches(self, boot_id: str | None = None) -> tuple[str, ...]:
        """Return journalctl's arguments for what may become an event, within one boot if named."""
        boot = [f"_BOOT_ID={boot_id}"] if boot_id else []
        alternatives: list[str] = []
        for matches in (*_CLAIMS, _SUPPRESSED):
            alternatives += ["+"] if alternatives else []
            alternatives += [*matches, *boot]
        return (*self._source, *alternatives)

    def since(self, seconds: int) -> Iterator[JournalEntry]:
        """Yield what was received at or after a time in seconds since 1970; all, for 0."""
        yield from self._entries([f"--since=@{seconds}"] if seconds else [], self.matches())

    def boot(self, boot_id: str) -> Iterator[JournalEntry]:
        """Yield the entries of one boot."""
        yield from self._entries([], self.matches(boot_id))

    def after(self, position: Position, boot_id: str | None = None) -> Iterator[JournalEntry]:
        """Yield the entries behind a position; those of one boot only, if one is named.

        Raises:
            CursorLostError: the position's entry is gone, so that some may be missing.
            JournalError: the journal cannot be read.
            StoppedError: the agent is to stop.
        """
        arguments = [f"--cursor={position.cursor}"]
        with closing(self._entries(arguments, self.matches(boot_id))) as entries:
            try:
                first = next(entries, None)
            except JournalError:
                # journalctl refuses a malformed cursor; is it that, or is it the journal?
                if self.holds(position):
                    raise
                raise CursorLostError from None
            if first is None or first.cursor != position.cursor:
                # It may only be hidden by the filter: a quiet host's position is any entry's.
                if not self.holds(position):
                    raise CursorLostError
                if first is not None:
                    yield first
            yield from entries

    def holds(self, position: Position) -> bool:
        """Return whether the entry that a position names is still in the journal.

        Raises:
            JournalError: the journal itself cannot be read, so that nobody knows.
        """
        try:
            entry = self._first([f"--cursor={position.cursor}"])
        except JournalError:
            if self.head() is None:
                raise
            return False
        return entry is not None and entry.cursor == position.cursor

    def head(self) -> JournalEntry | None:
        """Return the oldest entry of all, whoever wrote it."""
        return self._first([])

    def tail(self, boot_id: str) -> JournalEntry | None:
        """Return the newest entry of a boot, whoever wrote it."""
        return self._first(["--lines=1", f"_BOOT_ID={boot_id}"])

    def _first(self, arguments: Sequence[str]) -> JournalEntry | None:
        with closing(self._entries([*arguments, *self._source], ())) as entries:
            return next(entries, None)

    def _entries(
        self, arguments: Sequence[str], matches: Sequence[str]
    ) -> Generator[JournalEntry, None, None]:
        """Run journalctl once.

        --all, because a field of more than 4,096 bytes is null without it.
        """
        fields = ",".join(ENTRY_FIELDS)
        output = ("--output=json", "--all", "--quiet", f"--output-fields={fields}")
        with Journalctl([*output, *arguments, *matches], self._stop) as journalctl:
            for line in journalctl.lines():
                entry = _decode(line)
                if entry is not None:
                    yield entry
            if journalctl.skipped_lines:
                log.warning(
                    "%d journal entries of over a megabyte were skipped: sshd writes none.",
                    journalctl.skipped_lines,
                )


def _decode(line: bytes) -> JournalEntry | None:
    try:
        return JournalEntry.from_json(line)
    except EntryError as error:
        log.warning("A line of the journal was skipped: %s", error)
        return None
