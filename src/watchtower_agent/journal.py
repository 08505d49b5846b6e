"""Reads the entries that may concern logins, in order, from where it left off.

Nothing here follows the journal: each reading runs from a cursor to the end and is over. That,
and asking for the cursor's own entry again (``--cursor``) instead of for what comes after it
(``--after-cursor`` skips an entry too many when a filter hides the cursor's own, systemd#30288),
is what makes a reading exact.
"""

from __future__ import annotations

from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from watchtower_agent.cursor import Cursor
from watchtower_agent.entry_reader import EntryReader
from watchtower_agent.journalctl import Journalctl, JournalctlExitError, JournalError
from watchtower_agent.spool import Position
from watchtower_agent.su import Su
from watchtower_agent.sudo import Sudo
from watchtower_agent.trust import SSHD_NAMES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from watchtower_agent.entry import JournalEntry
    from watchtower_agent.wakeup import Wakeup

# systemd-journald.service(8), "Files".
_PLACES = (Path("/run/log/journal"), Path("/var/log/journal"))
# journalctl.c, journalctl-show.c.
_REFUSED_CURSOR = "Failed to seek to cursor"
# A cursor without an entry: the first since a time, in microseconds since 1970.
_SINCE = "--cursor=t={:x}"
_BEGINNING = _SINCE.format(1)
_BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")
_MACHINE_ID_FILE = Path("/etc/machine-id")
# What the file is called that journald finds unclosed and sets aside.
_UNCLEAN = "*.journal~"
# What an entry claims to be, whether it may be believed or not: parse tells the two apart.
_CLAIMS = tuple(
    tuple(f"{field}={name}" for name in (*SSHD_NAMES, "sudo", "su"))
    for field in ("SYSLOG_IDENTIFIER", "_COMM")
)
# su up to util-linux 2.38 logs under the name that it was called by, which may be a link's.
_SETUID_PROGRAMS = tuple(f"_EXE={path}" for path in (*Sudo().paths, *Su().paths))
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


def position_at(cursor: str) -> Position | None:
    """Return the position right behind the entry that a cursor names, if the cursor tells it."""
    here = Cursor.read(cursor)
    return None if here.realtime is None else Position(cursor, here.boot_id, here.realtime)


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


def machine_id() -> str:
    """Return what the folder is called in which journald keeps the journal of this host.

    Raises:
        JournalError: it cannot be read.
    """
    try:
        return _MACHINE_ID_FILE.read_text(encoding="ascii").strip()
    except OSError as error:
        raise JournalError(f"{_MACHINE_ID_FILE} cannot be read: {error.strerror}") from None


class Journal:
    """The journal of this host, or of the directory that ``source`` names."""

    def __init__(self, stop: Wakeup, source: Sequence[str] = ()) -> None:
        self._stop = stop
        self._entries = EntryReader(stop)
        self._source = tuple(source)

    def apart(self) -> Journal:
        """Return the same journal for another use, with its own word about damage."""
        return Journal(self._stop, self._source)

    def matches(self, boot_id: str | None = None) -> tuple[str, ...]:
        """Return journalctl's arguments for what may become an event, within one boot if named."""
        boot = [f"_BOOT_ID={boot_id}"] if boot_id else []
        alternatives: list[str] = []
        for matches in (*_CLAIMS, _SETUID_PROGRAMS, _SUPPRESSED):
            alternatives += ["+"] if alternatives else []
            alternatives += [*matches, *boot]
        return (*self._source, *alternatives)

    def since(self, seconds: int) -> Iterator[JournalEntry]:
        """Yield what was received at or after a time in seconds since 1970; all, for 0."""
        begin = _SINCE.format(max(1, seconds * 1_000_000))
        yield from self._entries.read([begin], self.matches())

    def again(
        self, boot_id: str, since: int, cursor: str | None
    ) -> Generator[JournalEntry, None, None]:
        """Yield what was logged in a boot since a time in microseconds since 1970.

        With a cursor, only what was written after its entry; what was written at once with that
        is read already.

        Raises:
            JournalError: the journal cannot be read.
            StoppedError: the agent is to stop.
        """
        if cursor is None:
            monotonic = self._monotonic(boot_id, since)
            begin = f"b={boot_id};m={monotonic:x};t={since:x}"
            here = Cursor((), boot_id, monotonic - 1, since)
        else:
            begin, here = cursor, Cursor.read(cursor)
        try:
            with closing(
                self._entries.read([f"--cursor={begin}"], self.matches(boot_id))
            ) as entries:
                for entry in entries:
                    if is_behind(Cursor.read(entry.cursor), here):
                        yield entry
        except GeneratorExit:
            self._entries.note_damage()
            raise
        except JournalctlExitError as error:
            if cursor is None or _REFUSED_CURSOR not in str(error):
                raise
            # It is corrupt: the boot is read from where it began.
            yield from self.again(boot_id, since, None)

    def _monotonic(self, boot_id: str, realtime: int) -> int:
        """Return the least monotonic time that a real one can stand for, both in microseconds.

        The clock may have been set in the middle of the boot. Of what it showed at both ends the
        one that was ahead counts, so that nothing that may be that late is taken for older.
        """
        head, newest = self.head(boot_id), self._newest(boot_id)
        if head is None or not newest:
            return 0
        started = [
            there.realtime - there.monotonic
            for there in (Cursor.read(entry.cursor) for entry in (head, *newest))
            if there.realtime is not None and there.monotonic is not None
        ]
        return max(0, realtime - max(started)) if started else 0

    def boot(self, boot_id: str) -> Iterator[JournalEntry]:
        """Yield the entries of one boot."""
        yield from self._entries.read([_BEGINNING], self.matches(boot_id))

    def after(self, position: Position) -> Iterator[JournalEntry]:
        """Yield the entries behind a position that are of the same boot.

        Within a boot the order is that of the monotonic time, whatever the clock did; across
        boots it is the order of the clock, which may have been set back (systemd#6213).

        Raises:
            CursorLostError: the position's entry is gone, so that some may be missing.
            JournalError: the journal cannot be read.
            StoppedError: the agent is to stop.
        """
        here = Cursor.read(position.cursor)
        arguments = [f"--cursor={position.cursor}"]
        held = False
        with closing(self._entries.read(arguments, self.matches(position.boot_id))) as entries:
            try:
                first = next(entries, None)
            except JournalctlExitError:
                # journalctl refuses a malformed cursor; is it that, or is it the journal?
                if self.holds(position):
                    raise
                raise CursorLostError from None
            for entry in chain([] if first is None else [first], entries):
                there = Cursor.read(entry.cursor)
                if there.identity == here.identity:
                    # A position in the system's own journal vouches for what lies behind it.
                    if entry.text("_UID") != "0" and not self._reaches_back_to(here):
                        raise CursorLostError
                    held = True
                    break
                if is_before(there, here):
                    continue
                # It may only be hidden by the filter: a quiet host's position is any entry's.
                self._look_for(position)
                held = True
                yield entry
                break
            yield from entries
        if not held:
            self._look_for(position)

    def take_damage(self) -> str:
        """Return, once, what journalctl said about a damaged file; empty if nothing.

        It leaves out entries of such a file without an error.
        """
        damage, self._entries.damage = self._entries.damage, ""
        return damage

    def holds(self, position: Position) -> bool:
        """Return whether the entry that a position names is still in the journal.

        Raises:
            JournalError: the journal itself cannot be read, so that nobody knows.
        """
        return self._finds(position, (*self._source, f"_BOOT_ID={position.boot_id}"))

    def passes(self, position: Position) -> bool:
        """Return whether the entry that a position names is among those that are read.

        Raises:
            JournalError: the journal itself cannot be read, so that nobody knows.
        """
        return self._finds(position, self.matches(position.boot_id))

    def _finds(self, position: Position, matches: Sequence[str]) -> bool:
        here = Cursor.read(position.cursor)
        try:
            with closing(self._entries.read([f"--cursor={position.cursor}"], matches)) as entries:
                for entry in entries:
                    there = Cursor.read(entry.cursor)
                    if there.identity == here.identity:
                        return True
                    # Entries that journald writes at once have one stamp.
                    if is_before(here, there):
                        return False
        except JournalctlExitError as error:
            if _REFUSED_CURSOR not in str(error):
                raise
        return False

    def files(self) -> object:
        """Return what is another thing once a file has come, gone or been renamed."""
        folders = self._named_folders() or [
            folder for place in _PLACES for folder in sorted(place.glob("*"))
        ]
        return [(folder, _changed_at(folder)) for folder in folders]

    def unclean_files(self) -> list[Path]:
        """Return the files that journald had not closed when it ended, in no order.

        Raises:
            JournalError: nobody knows where they are.
        """
        folders = self._named_folders() or [place / machine_id() for place in _PLACES]
        return [file for folder in folders for file in folder.glob(_UNCLEAN)]

    def last_entry(self, file: str) -> JournalEntry | None:
        """Return what was written to a file last, filed or not; None if that cannot be read.

        Raises:
            JournalError: journalctl failed, and the file is not at fault.
            StoppedError: the agent is to stop.
        """
        try:
            with closing(self._entries.read(["--lines=1", f"--file={file}"], ())) as entries:
                return next(entries, None)
        except JournalctlExitError:
            return None

    def _named_folders(self) -> list[Path]:
        return [
            Path(argument.partition("=")[2])
            for argument in self._source
            if argument.startswith("--directory=")
        ]

    def _look_for(self, position: Position) -> None:
        """See that a position which the filter hides is there, and what lay behind it.

        Raises:
            CursorLostError: it is not.
        """
        if not self.holds(position) or not self._reaches_back_to(Cursor.read(position.cursor)):
            raise CursorLostError

    def _reaches_back_to(self, here: Cursor) -> bool:
        """Return whether the system's own journal still begins before an entry.

        What users' processes write, sudo for one, goes to a file for each user (SplitMode= in
        journald.conf(5)), which fills slowly. So the entry may outlive what sshd wrote after it.
        """
        head = self._first([_BEGINNING, "--system", f"_BOOT_ID={here.boot_id}"])
        if head is None:
            return self._first([_BEGINNING, "--system"]) is None
        return not is_before(here, Cursor.read(head.cursor))

    def boots(self) -> list[str]:
        """Return the ids of all boots that the journal holds entries of, in no order."""
        with Journalctl(["--field=_BOOT_ID", *self._source], self._stop) as journalctl:
            return [line.decode("ascii", "replace").strip() for line in journalctl.lines()]

    def head(self, boot_id: str | None = None) -> JournalEntry | None:
        """Return the oldest entry of all, or of one boot, whoever wrote it."""
        return self._first([_BEGINNING, *([f"_BOOT_ID={boot_id}"] if boot_id else [])])

    def oldest_behind(self, position: Position) -> JournalEntry | None:
        """Return the oldest entry left of the system's own journal since a position's time.

        Older ones may be left in the files of users, which are vacuumed at another time, or in a
        folder that the journal is not written to any more.
        """
        return self._first([_SINCE.format(position.realtime), "--system"])

    def tail(self, boot_id: str) -> JournalEntry | None:
        """Return the newest entry but one of a boot, whoever wrote it; None if there is none.

        Not the newest: journald may be about to file it, by its boot already and not yet by what
        the filter asks for. It files one entry after the other.
        """
        newest = self._newest(boot_id)
        return newest[0] if len(newest) > 1 else None

    def _newest(self, boot_id: str) -> list[JournalEntry]:
        """Return the newest two entries of a boot, older first; none if one is damaged."""
        arguments = ["--lines=2", f"_BOOT_ID={boot_id}", *self._source]
        try:
            with closing(self._entries.read(arguments, ())) as entries:
                return list(entries)
        except JournalctlExitError:
            return []

    def _first(self, arguments: Sequence[str]) -> JournalEntry | None:
        with closing(self._entries.read([*arguments, *self._source], ())) as entries:
            return next(entries, None)


def _changed_at(folder: Path) -> int | None:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return None


def is_before(there: Cursor, here: Cursor) -> bool:
    """Return whether an entry of the same boot lies before another.

    journalctl prints such entries, too: in a file with nothing behind the cursor it looks for the
    cursor's real time, which is no order once the clock was set back (systemd 252 and 257).
    """
    if there.monotonic is None or here.monotonic is None:
        return False
    return there.monotonic < here.monotonic


def is_behind(there: Cursor, here: Cursor) -> bool:
    """Return whether an entry of the same boot was written after another, and not at once."""
    if there.monotonic is None or here.monotonic is None:
        return there.identity != here.identity
    return there.monotonic > here.monotonic
