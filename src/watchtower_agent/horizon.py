"""Up to when a reading of the journal has seen everything."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watchtower_agent.cursor import Cursor

# With a journal whose clock is not this host's, nothing would ever lie before the horizon.
_BEYOND_ENTRIES = 10_000


class Horizon:
    """The moment at which a reading began.

    journald writes one entry after the other and stamps each when the one before it is written,
    but it writes into several files (one for the system, one for each user), at which journalctl
    looks one after the other, and rotates them. So of what was written while journalctl looked, it
    can print an entry and miss an older one. What is stamped before that is complete, and only so
    far may the position move; what lies beyond is read again the next time.
    """

    def __init__(self) -> None:
        self._boot_id = ""
        self._began = 0
        self._stored: dict[tuple[str, ...], int] = {}

    def begin(self, boot_id: str) -> None:
        """Begin a reading in the running boot."""
        before = self._began
        # By CLOCK_MONOTONIC, as journald stamps. What lay before the last horizon has been passed.
        self._boot_id, self._began = boot_id, time.monotonic_ns() // 1000
        self._stored = {entry: at for entry, at in self._stored.items() if at >= before}

    def is_before(self, cursor: Cursor) -> bool:
        """Return whether nothing older than this entry can have been missed."""
        if cursor.boot_id != self._boot_id or cursor.monotonic is None:
            return True
        return cursor.monotonic < self._began or len(self._stored) >= _BEYOND_ENTRIES

    def has_stored(self, cursor: Cursor) -> bool:
        """Return whether an earlier reading has stored this entry, from beyond its horizon."""
        return cursor.identity in self._stored

    def store(self, cursors: Iterable[Cursor]) -> None:
        """Note which entries from beyond the horizon are stored."""
        self._stored.update((cursor.identity, cursor.monotonic or 0) for cursor in cursors)

    def was_crossed(self) -> bool:
        """Return whether there was anything beyond, so that it is worth looking again soon."""
        return any(at >= self._began for at in self._stored.values())
