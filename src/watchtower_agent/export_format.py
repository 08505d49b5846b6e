"""Reads what ``journalctl --output=export`` prints.

journalctl needs half the time for it that it needs for JSON, and no value has two spellings. The
format is of systemd.io/JOURNAL_EXPORT_FORMATS; output_export() in logs-show.c, the same in systemd
247 to 257: a line ``NAME=value`` for each field, an empty line behind each entry. A value that is
not printable text comes as ``NAME``, a newline, its length in 8 bytes, itself, and a newline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from watchtower_agent.entry import JournalEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from watchtower_agent.entry import FieldValue

# Larger entries are skipped: sshd's lines have 500 bytes, and a client may write megabytes.
ENTRY_BYTES = 1024 * 1024
# The first field of each entry. No client can write one with two underscores.
_FIRST = "__CURSOR="


class ExportStream:
    """The entries in a stream of bytes.

    Attributes:
        skipped: how many were larger than ENTRY_BYTES.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        """Take the stream in pieces, cut anywhere."""
        self.skipped = 0
        self._chunks = iter(chunks)
        self._buffer = b""
        self._at = 0

    def entries(self) -> Iterator[JournalEntry]:
        """Yield each entry that is there to its end."""
        try:
            while True:
                entry = self._plain_entry() or self._entry_by_field()
                if entry is not None:
                    yield entry
        except EOFError:
            return

    def _plain_entry(self) -> JournalEntry | None:
        """Return the next entry if all of it is text, as nearly all are, and no field repeated."""
        end = self._buffer.find(b"\n\n", self._at)
        while end < 0 and len(self._buffer) - self._at <= ENTRY_BYTES:
            self._fetch()
            end = self._buffer.find(b"\n\n", self._at)
        if end < 0 or end - self._at > ENTRY_BYTES:
            return None
        try:
            lines = self._buffer[self._at : end].decode().split("\n")
            fields = dict([line.split("=", 1) for line in lines])
        except ValueError:  # a line without "=", or bytes that are no text
            return None
        if len(fields) != len(lines):
            return None
        self._at = end + 2
        return JournalEntry(fields)

    def _entry_by_field(self) -> JournalEntry | None:
        """Return the next entry, whatever it holds, or None when it is skipped."""
        size = 0
        values: dict[str, list[str | bytes]] = {}
        while True:
            line = self._take_line()
            size += len(line)
            if not line:
                break
            name, equals, value = line.partition(b"=")
            if line.startswith(_FIRST.encode()):
                # journalctl gives up an entry that it cannot read on, and begins the next.
                size, values = 0, {}
            if equals:
                content: str | bytes = value.decode("utf-8", "backslashreplace")
            else:
                length = int.from_bytes(self._take(8), "little")
                size += length
                content = self._take(length)
                self._take(1)
            if size <= ENTRY_BYTES:
                values.setdefault(name.decode("utf-8", "backslashreplace"), []).append(content)
        if size > ENTRY_BYTES:
            self.skipped += 1
            return None
        if not values:
            return None
        fields: dict[str, FieldValue] = {}
        for field, of_one in values.items():
            fields[field] = of_one[0] if len(of_one) == 1 else list(of_one)
        return JournalEntry(fields)

    def _take_line(self) -> bytes:
        """Return the next line; of one that is too long for any entry, as much as tells that."""
        line = b""
        while True:
            end = self._buffer.find(b"\n", self._at)
            piece = self._buffer[self._at : end if end >= 0 else len(self._buffer)]
            if len(line) <= ENTRY_BYTES:
                line += piece
            self._at += len(piece)
            if end >= 0:
                self._at += 1
                return line
            self._fetch()

    def _take(self, count: int) -> bytes:
        """Return so many bytes; of too many for any entry none, but they are taken."""
        kept: list[bytes] = []
        left = count
        while left:
            piece = self._buffer[self._at : self._at + left]
            self._at += len(piece)
            left -= len(piece)
            if count <= ENTRY_BYTES:
                kept.append(piece)
            if left:
                self._fetch()
        return b"".join(kept)

    def _fetch(self) -> None:
        """Add the next piece of the stream to what is not taken yet.

        Raises:
            EOFError: there is none.
        """
        chunk = next(self._chunks, None)
        if chunk is None:
            raise EOFError
        self._buffer = self._buffer[self._at :] + chunk
        self._at = 0
