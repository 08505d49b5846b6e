"""What journalctl says on standard error."""

from __future__ import annotations

import re

_KEPT_BYTES = 64 * 1024
_SHOWN_BYTES = 2048
# log.c, target console-prefixed: the facility and level of syslog.h before each line.
_DEBUG_LINE = re.compile(rb"^<(?:7|31)>.*\n?", re.MULTILINE)
_PREFIX = re.compile(rb"^<[0-9]{1,3}>", re.MULTILINE)
_JOURNAL_FILE = re.compile(r"/\S+\.journal~?")
# What it cannot read journalctl leaves out, and its exit status is 0: a file that is truncated or
# corrupt (journal-util.c), what lies behind the damage in one (sd-journal.c), fields of an entry
# (journal-file.c), an entry (logs-show.c). Most of it is said at the level debug only.
IGNORED_FILE = ", ignoring file"
_DAMAGE = (
    b"Can't iterate through",
    b"Bad message",
    b" is bad, skipping over it",
    b" invalid, skipping over it",
    b"Skipping message we can't read",
    # Last, because it is said at each reading.
    IGNORED_FILE.encode(),
)

# What makes journalctl say so.
ENVIRONMENT = {
    "SYSTEMD_LOG_LEVEL": "debug",
    "SYSTEMD_LOG_TARGET": "console-prefixed",
    "SYSTEMD_LOG_COLOR": "0",
}


class Complaints:
    """The end of what was said, however much it is.

    Attributes:
        damage: a line about a damaged journal file, the first that names it if any does; or empty.
        bytes: how much was said since this was last set to 0.
    """

    def __init__(self) -> None:
        self.damage = ""
        self.bytes = 0
        self._end = b""

    def add(self, chunk: bytes) -> None:
        """Take in what was read."""
        self.bytes += len(chunk)
        seen = self._end + chunk
        if "/" not in self.damage:
            self.damage = _damage(seen) or self.damage
        self._end = seen[-_KEPT_BYTES:]

    def text(self) -> str:
        """Return the end of it in one line, without what is said in good health, too."""
        said = _PREFIX.sub(b"", _DEBUG_LINE.sub(b"", self._end))[-_SHOWN_BYTES:]
        return said.decode("utf-8", "backslashreplace").strip().replace("\n", "; ")


def damaged_file(damage: str) -> str:
    """Return the journal file that a line about damage names, or an empty text."""
    path = _JOURNAL_FILE.search(damage)
    return path[0] if path else ""


def _damage(said: bytes) -> str:
    for words in _DAMAGE:
        place = said.find(words)
        end = said.find(b"\n", place)
        if place >= 0 and end >= 0:
            begin = said.rfind(b"\n", 0, place) + 1
            line = _PREFIX.sub(b"", said[begin:end][:_SHOWN_BYTES])
            return line.decode("utf-8", "backslashreplace")
    return ""
