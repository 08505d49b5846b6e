"""The event as it goes over the wire, and the identity it takes from its journal entry."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from collections.abc import Mapping

LOGIN = "login"
LOGIN_FAILED = "login_failed"
LOGIN_STEP = "login_step"
LOGIN_REFUSED = "login_refused"
SESSION_OPENED = "session_opened"
SESSION_CLOSED = "session_closed"
CONNECTION_FAILED = "connection_failed"
CONNECTION_DROPPED = "connection_dropped"
SUDO = "sudo"
SUDO_FAILED = "sudo_failed"
SU = "su"
SU_FAILED = "su_failed"
HEARTBEAT = "heartbeat"
JOURNAL_GAP = "journal_gap"
SPOOL_OVERFLOW = "spool_overflow"
UNTRUSTED = "untrusted"

RAW_MESSAGE_CHARACTERS = 2048
# What a detail can be: events are flat.
Detail = Union[str, int, bool]
_encode = json.JSONEncoder(separators=(",", ":")).encode
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Event:
    """One event: when and where, what identifies it, and the details that its type has.

    docs/api/collector-api.md names the details and their meaning. A detail that is None is not
    there.
    """

    __slots__ = ("details", "event_id", "hostname", "timestamp", "type")

    def __init__(
        self,
        event_type: str,
        timestamp: str,
        hostname: str,
        event_id: str,
        details: Mapping[str, Detail | None] = MappingProxyType({}),
    ) -> None:
        self.type = event_type
        self.timestamp = timestamp
        self.hostname = hostname
        self.event_id = event_id
        self.details = {name: value for name, value in details.items() if value is not None}

    def to_json(self) -> str:
        """Return the event as one line of ASCII JSON."""
        fields = {
            "type": self.type,
            "timestamp": self.timestamp,
            "hostname": self.hostname,
            "event_id": self.event_id,
            **self.details,
        }
        return _encode(fields)


def hostname_field(name: str) -> str:
    """Return a host name as it stands in the JSON of an event, and nowhere within a text."""
    return f'"hostname":{_encode(name)},'


def format_timestamp(microseconds: int) -> str:
    """Return microseconds since 1970 as RFC 3339 UTC with six decimals and Z.

    Raises:
        OverflowError: the time is outside the years 1 to 9999.
    """
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{_format_seconds(seconds)}.{rest:06}Z"


@lru_cache(maxsize=64)  # many entries share a second
def _format_seconds(seconds: int) -> str:
    moment = _EPOCH + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S").zfill(19)


def hash_id(*parts: bytes) -> str:
    """Return 32 hex digits that identify these parts, in this order.

    Each part is preceded by its length, so that no two lists of parts run into the same bytes.
    """
    framed = b"".join([len(part).to_bytes(8, "big") + part for part in parts])
    return hashlib.sha256(framed).hexdigest()[:32]


def bounded_text(text: str) -> str:
    """Return text that any JSON store accepts: no NUL, no lone surrogate, bounded length."""
    if text.isascii() and text.isprintable() and len(text) <= RAW_MESSAGE_CHARACTERS:
        return text
    cut = text[:RAW_MESSAGE_CHARACTERS].replace("\0", "\\000")
    return cut.encode("utf-8", "backslashreplace").decode("utf-8")
