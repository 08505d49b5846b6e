"""One journal entry, as journalctl prints it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Union

from watchtower_agent.event import format_timestamp, hash_id

if TYPE_CHECKING:
    from collections.abc import Mapping

# Text, or the bytes of what is not text (in JSON as numbers), or a list when a field is repeated.
FieldValue = Union[str, bytes, "list[object]", None]

# What is asked of journalctl; the address fields (__CURSOR, ...) come unasked.
ENTRY_FIELDS = (
    "MESSAGE",
    "MESSAGE_ID",
    "N_DROPPED",
    "OBJECT_SYSTEMD_UNIT",
    "PRIORITY",
    "SYSLOG_IDENTIFIER",
    "SYSLOG_RAW",
    "_BOOT_ID",
    "_CAP_EFFECTIVE",
    "_COMM",
    "_EXE",
    "_HOSTNAME",
    "_MACHINE_ID",
    "_PID",
    "_SOURCE_REALTIME_TIMESTAMP",
    "_SYSTEMD_UNIT",
    "_TRANSPORT",
    "_UID",
)


class EntryError(ValueError):
    """A line that is not a journal entry; the text says what is wrong with it."""


class JournalEntry:
    """A journal entry's fields, decoded on demand."""

    __slots__ = ("fields",)

    def __init__(self, fields: Mapping[str, FieldValue]) -> None:
        self.fields = fields

    @classmethod
    def from_json(cls, line: bytes) -> JournalEntry:
        """Read one line of ``journalctl --output=json``.

        Raises:
            EntryError: the line is not a JSON object.
        """
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise EntryError(f"not a line of journalctl --output=json: {error}") from None
        if not isinstance(fields, dict):
            raise EntryError("not a line of journalctl --output=json: it is not a JSON object")
        return cls(fields)

    def text(self, name: str) -> str | None:
        """Return a field that occurs once as text, or None when it is absent or repeated.

        journald sets its own fields (those with an underscore) once; a repeated field was
        made up by a client, and no one of its values is *the* value.
        """
        value = self.fields.get(name)
        if type(value) is str and value.isascii():
            return value
        values = self.values(name)
        return values[0].decode("utf-8", "backslashreplace") if len(values) == 1 else None

    def values(self, name: str) -> list[bytes]:
        """Return every value of a field as bytes: the canonical form of all spellings."""
        value = self.fields.get(name)
        if type(value) is str and value.isascii():
            return [value.encode("ascii")]
        if isinstance(value, list) and not _is_byte_list(value):
            return [_to_bytes(item) for item in value]
        return [] if value is None else [_to_bytes(value)]

    @property
    def message(self) -> str:
        """The line as its writer wrote it, or "" if there is none.

        journald takes blanks from the end of what comes by syslog and keeps the original in
        SYSLOG_RAW. They matter: a line that its writer cut off can end in a client's blanks, and
        would look whole without them.
        """
        if "SYSLOG_RAW" not in self.fields:
            text = self.text("MESSAGE")
            if text is not None:
                return text
        message = (self.values("MESSAGE") or [b""])[0]
        raw = (self.values("SYSLOG_RAW") or [b""])[0]
        end = raw[len(raw.rstrip()) :]
        return (message + end).decode("utf-8", "backslashreplace")

    @property
    def cursor(self) -> str:
        """The entry's place in the journal: opaque text for ``journalctl --cursor``.

        Raises:
            EntryError: the entry has none.
        """
        cursor = self.text("__CURSOR")
        if not cursor:
            raise EntryError("a journal entry without __CURSOR")
        return cursor

    @property
    def realtime(self) -> int:
        """When journald received the entry: microseconds since 1970.

        Raises:
            EntryError: the entry has no such time.
        """
        text = self.text("__REALTIME_TIMESTAMP") or ""
        if not _is_number(text):
            raise EntryError("a journal entry without a usable __REALTIME_TIMESTAMP")
        return int(text)

    @property
    def timestamp(self) -> str:
        """When it happened, as RFC 3339 text.

        _SOURCE_REALTIME_TIMESTAMP is the kernel's time stamp of the datagram (journald takes it
        from SCM_TIMESTAMP), so it is the moment of writing even if journald was slow to read;
        the sender cannot choose it. __REALTIME_TIMESTAMP, the moment of reception, stands in.

        Raises:
            EntryError: the entry has neither.
        """
        source = self.text("_SOURCE_REALTIME_TIMESTAMP") or ""
        try:
            return format_timestamp(int(source) if _is_number(source) else self.realtime)
        except OverflowError:
            raise EntryError("a journal entry from beyond the year 9999") from None

    @property
    def event_id(self) -> str:
        """32 hex digits that are the same whenever and from whichever file it is read."""
        parts: list[bytes] = []
        for name in ("_MACHINE_ID", "_BOOT_ID", "__MONOTONIC_TIMESTAMP", "_PID", "MESSAGE"):
            values = self.values(name)
            parts.append(b"%d" % len(values))
            parts += values
        return hash_id(*parts)


def _is_byte_list(value: list[object]) -> bool:
    return bool(value) and all(type(item) is int and 0 <= item <= 255 for item in value)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 20


def _to_bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, list) and _is_byte_list(value):
        return bytes(value)
    return str(value).encode("utf-8", "backslashreplace")
