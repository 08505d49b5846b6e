"""The event as it goes over the wire, and the identity it takes from its journal entry."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone

LOGIN = "login"
LOGIN_FAILED = "login_failed"
SESSION_CLOSED = "session_closed"
HEARTBEAT = "heartbeat"
JOURNAL_GAP = "journal_gap"
SPOOL_OVERFLOW = "spool_overflow"
UNTRUSTED = "untrusted"

RAW_MESSAGE_CHARACTERS = 2048
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Event:
    """One event; a field that is None is left out on the wire."""

    type: str
    timestamp: str
    hostname: str
    event_id: str
    user: str | None = None
    method: str | None = None
    source_ip: str | None = None
    source_port: int | None = None
    raw_message: str | None = None
    key_type: str | None = None
    key_fingerprint: str | None = None
    certificate_id: str | None = None
    certificate_ca: str | None = None
    trusted: bool | None = None
    ambiguous: bool | None = None
    region: str | None = None
    host_group: str | None = None
    severity: str | None = None
    flagged: bool | None = None
    agent_version: str | None = None
    spool_depth: int | None = None

    def to_json(self) -> str:
        """Return the event as one line of ASCII JSON."""
        fields = {name: value for name, value in asdict(self).items() if value is not None}
        return json.dumps(fields, separators=(",", ":"))


def format_timestamp(microseconds: int) -> str:
    """Return microseconds since 1970 as RFC 3339 UTC with six decimals and Z.

    Raises:
        OverflowError: the time is outside the years 1 to 9999.
    """
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").zfill(27)


def hash_id(*parts: bytes) -> str:
    """Return 32 hex digits that identify these parts, in this order.

    Each part is preceded by its length, so that no two lists of parts run into the same bytes.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()[:32]


def bounded_text(text: str) -> str:
    """Return text that any JSON store accepts: no NUL, no lone surrogate, bounded length."""
    cut = text[:RAW_MESSAGE_CHARACTERS].replace("\0", "\\000")
    return cut.encode("utf-8", "backslashreplace").decode("utf-8")
