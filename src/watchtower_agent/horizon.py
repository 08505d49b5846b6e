"""Up to where a reading of the journal has seen everything."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from watchtower_agent.cursor import Cursor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watchtower_agent.entry import JournalEntry

# Bounds memory. With a journal whose clock is not this host's, none would ever be complete.
_BEYOND_ENTRIES = 10_000


class Horizon:
    """What of a reading is complete, so that the position may move behind it.

    journald writes one entry after the other and stamps each when those of the moment before are
    written. But it writes into several files, one for the system and one for each user; it renames
    them when it rotates; and journalctl looks at them one after the other. So

    - of what was written while journalctl looked, it can print an entry and miss an older one in
      another file. What was stamped before that is complete.
    - of files that were renamed while journalctl looked for files, it can miss one as a whole.
      Then nothing is complete, and the reading is repeated.
    - entries that it writes at once have one stamp, and from two files they come in any order.

    What was stored from beyond the horizon is read again the next time, and known by then.

    Attributes:
        disturbed: whether files were renamed since the reading began.
    """

    def __init__(self, files: Callable[[], object]) -> None:
        """Take a function whose result changes when files come, go or are renamed."""
        self._files = files
        self._files_before: object = None
        self._boot_id = ""
        self._began = 0
        self._stored: dict[tuple[str, ...], int] = {}
        self.disturbed = False

    def begin(self, boot_id: str, position: Cursor | None) -> None:
        """Begin a reading in the running boot, behind a position."""
        self._files_before = self._files()
        self.disturbed = False
        # By CLOCK_MONOTONIC, as journald stamps.
        self._boot_id, self._began = boot_id, time.monotonic_ns() // 1000
        if position is not None and position.boot_id == boot_id:
            passed = position.monotonic or 0
            self._stored = {entry: at for entry, at in self._stored.items() if at >= passed}

    def look(self) -> bool:
        """Return whether the files are still those that the reading began with."""
        self.disturbed = self.disturbed or self._files() != self._files_before
        return not self.disturbed

    def complete(self, cursors: Sequence[str]) -> int:
        """Return up to how many of these entries, in the order of the reading, all is complete."""
        count = len(cursors) if self.look() else 0
        while count and not self._is_before(Cursor.read(cursors[count - 1])):
            count -= 1
        return count

    def _is_before(self, cursor: Cursor) -> bool:
        """Return whether nothing older than this entry can have been missed in another file."""
        if cursor.boot_id != self._boot_id or cursor.monotonic is None:
            return True
        return cursor.monotonic < self._began or len(self._stored) >= _BEYOND_ENTRIES

    def has_stored(self, entry: JournalEntry) -> bool:
        """Return whether this entry is stored, though the position did not move behind it."""
        return bool(self._stored) and Cursor.read(entry.cursor).identity in self._stored

    def store(self, cursors: Sequence[str], complete: int) -> None:
        """Note which entries are stored and will be read again: the position is behind some only.

        Those are the ones behind the first ``complete``, and of these the last one's own moment.
        """
        passed = Cursor.read(cursors[complete - 1]) if complete else None
        first = complete
        while passed and first and Cursor.read(cursors[first - 1]).moment == passed.moment:
            first -= 1
        for cursor in map(Cursor.read, cursors[first:]):
            if len(self._stored) < _BEYOND_ENTRIES:
                self._stored[cursor.identity] = cursor.monotonic or 0

    def was_crossed(self) -> bool:
        """Return whether there was anything beyond, so that it is worth looking again soon."""
        return self.disturbed or any(at >= self._began for at in self._stored.values())
