"""An event as it comes over the wire. ``docs/api/collector-api.md`` is the contract's home."""

from __future__ import annotations

import json
import math
import re
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)

from watchtower_collector.addresses import sortable_bytes
from watchtower_collector.timestamps import parse_rfc3339

EventType = Literal[
    "login",
    "login_failed",
    "login_step",
    "login_refused",
    "session_opened",
    "session_closed",
    "connection_failed",
    "connection_dropped",
    "sudo",
    "sudo_failed",
    "su",
    "su_failed",
    "heartbeat",
    "journal_gap",
    "spool_overflow",
    "store_restored",
    "untrusted",
]
EVENT_TYPES: tuple[str, ...] = get_args(EventType)

_FORMER_LOGIN = "user_login"  # what ``login`` was called
MAX_RAW_MESSAGE = 4_096  # characters; sshd cuts its own lines at 1,024 (log.c, MSGBUFSIZ)
MAX_UNKNOWN_FIELDS = 32
MAX_UNKNOWN_TEXT = 1_024  # characters
MAX_UNKNOWN_BYTES = 16 << 10  # of all of them together, as JSON in UTF-8: how they are stored
_INT64 = 1 << 63
# An address with or without a zone, or the host name that sshd writes with UseDNS.
_HOST = re.compile(r"[0-9A-Za-z._:%-]{1,255}", re.ASCII)
_UNKNOWN_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
# What neither PostgreSQL nor a UTF-8 reader takes: NUL, and surrogates that stand alone.
_ILLEGIBLE = re.compile("[\0\ud800-\udfff]")
# The collector's own answer; they come back when a fetched event is posted to another collector.
_ASSIGNED_HERE = frozenset({"id", "received_at"})


class RefusedEventError(ValueError):
    """An event breaks the contract: ``field`` names where (or is empty), ``message`` says how."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        self.message = message
        super().__init__(f"{field}: {message}" if field else message)


def _timestamp(value: object) -> int:
    if isinstance(value, str):
        return parse_rfc3339(value)
    raise ValueError("must be an RFC 3339 time such as 2026-01-31T23:59:59.123456Z, as text")


def _event_id(value: object) -> bytes:
    if isinstance(value, str) and re.fullmatch("[0-9A-Fa-f]{32}", value):
        return bytes.fromhex(value)
    raise ValueError("must be 32 hexadecimal digits")


def _port(value: object) -> object:
    # sshd's line is text: clients send the port as they cut it out.
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,5}", value) else value


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError("must be an address, or a host name of at most 255 characters")
    return value


def _former_name(value: object) -> object:
    return "login" if value == _FORMER_LOGIN else value


def _cut(value: str) -> str:
    return value[:MAX_RAW_MESSAGE]


Timestamp = Annotated[
    int,
    BeforeValidator(_timestamp),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
EventId = Annotated[
    bytes,
    BeforeValidator(_event_id),
    WithJsonSchema({"type": "string", "pattern": "^[0-9A-Fa-f]{32}$"}),
]
Label = Annotated[str, Field(max_length=128)]
# A word such as "on" or "no" may mean the opposite of what it is taken for: only JSON's own count.
Truth = Annotated[
    bool,
    Field(strict=True),
    WithJsonSchema({"type": ["boolean", "null"]}, mode="validation"),
]
# What clients may send, beside what the collector answers.
_TYPES_TAKEN = WithJsonSchema(
    {"type": "string", "enum": [*EVENT_TYPES, _FORMER_LOGIN]}, mode="validation"
)
_PORTS_TAKEN = WithJsonSchema(
    {
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 65_535},
            # The same as text, also with zeros in front.
            {
                "type": "string",
                "pattern": "^([0-5]?[0-9]{1,4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]"
                "|6553[0-5])$",
            },
            {"type": "null"},
        ]
    },
    mode="validation",
)


class Event(BaseModel):
    """One event. Fields it does not know are kept as they are, within bounds."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: Annotated[EventType, BeforeValidator(_former_name), _TYPES_TAKEN]
    timestamp: Timestamp
    hostname: Annotated[str, Field(min_length=1, max_length=255)]
    user: Annotated[str, Field(max_length=1_024)] | None = None
    method: Annotated[str, Field(max_length=64)] | None = None
    source_ip: Annotated[str, AfterValidator(_host)] | None = None
    source_port: Annotated[
        Annotated[int, Field(strict=True, ge=0, le=65_535), BeforeValidator(_port)] | None,
        _PORTS_TAKEN,
    ] = None
    raw_message: Annotated[str, AfterValidator(_cut)] | None = None
    region: Label | None = None
    host_group: Label | None = None
    severity: Label | None = None
    flagged: Truth = False
    event_id: EventId | None = None
    key_type: Label | None = None
    key_fingerprint: Annotated[str, Field(max_length=256)] | None = None
    certificate_id: Annotated[str, Field(max_length=1_024)] | None = None
    certificate_ca: Annotated[str, Field(max_length=1_024)] | None = None
    trusted: Truth = True
    ambiguous: Truth = False
    agent_version: Annotated[str, Field(max_length=64)] | None = None
    spool_depth: Annotated[int, Field(strict=True, ge=0, lt=_INT64)] | None = None


_FIELDS = frozenset(Event.model_fields)  # pydantic makes a new view of them at each access


def _legible(text: str) -> str:
    return text if text.isascii() and "\0" not in text else _ILLEGIBLE.sub("\ufffd", text)


def _check_unknown(name: str, value: object) -> None:
    """Refuse a field that this version does not know and cannot keep."""
    if not _UNKNOWN_NAME.fullmatch(name):
        shown = _legible(name[:64])
        raise RefusedEventError(shown, "a field's name is a-z, 0-9 and _, at most 64 characters")
    match value:
        case str() if len(value) > MAX_UNKNOWN_TEXT:
            raise RefusedEventError(name, f"must have at most {MAX_UNKNOWN_TEXT} characters")
        case bool() | str():
            return
        case int() if -_INT64 <= value < _INT64:
            return
        case float() if math.isfinite(value):
            return
        case int() | float():
            raise RefusedEventError(name, "the number is out of range")
        case _:
            raise RefusedEventError(name, "must be text, a number, true or false: events are flat")


def _first_error(error: ValidationError) -> RefusedEventError:
    first = error.errors(include_url=False, include_input=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "bool_type":
        message = "must be true or false"
    return RefusedEventError(".".join(str(part) for part in first["loc"][:1]), message)


def parse_event(document: object) -> Event:
    """Check one event of a request's body and return it.

    ``null`` counts as absent. NUL bytes and lone surrogates in text become U+FFFD: what an
    attacker puts into a user name must not get the event refused. ``trusted: false`` makes the
    type ``untrusted``, whatever the event claims to be.

    Raises:
        RefusedEventError: naming the field.
    """
    if not isinstance(document, dict):
        raise RefusedEventError("", "an event is a JSON object")
    fields: dict[str, object] = {}
    unknown = 0
    for name, value in document.items():
        if value is None or name in _ASSIGNED_HERE:
            continue
        if name not in _FIELDS:
            unknown += 1
            if unknown > MAX_UNKNOWN_FIELDS:
                raise RefusedEventError("", f"more than {MAX_UNKNOWN_FIELDS} unknown fields")
            _check_unknown(name, value)
        fields[name] = _legible(value) if isinstance(value, str) else value
    try:
        event = Event.model_validate(fields)
    except ValidationError as error:
        raise _first_error(error) from None
    if event.type == "untrusted" or not event.trusted:
        return event.model_copy(update={"type": "untrusted", "trusted": False})
    return event


def event_row(event: Event, received_at: int) -> dict[str, Any]:
    """Return the event as a row of the store; ``received_at`` in microseconds since 1970."""
    row = dict(vars(event))
    row["received_at"] = received_at
    row["source_addr"] = sortable_bytes(event.source_ip or "")
    row["extra"] = _extra(event.model_extra) if event.model_extra else None
    return row


def _extra(fields: dict[str, Any]) -> str:
    """Return unknown fields as JSON, their texts cut until it is not too large.

    To refuse the event would hide it: whoever calls sudo chooses the texts of several fields.
    """
    extra = json.dumps(fields, ensure_ascii=False)
    length = MAX_UNKNOWN_TEXT
    # No character has more than four bytes.
    while len(extra) > MAX_UNKNOWN_BYTES // 4 and len(extra.encode()) > MAX_UNKNOWN_BYTES:
        length //= 2
        cut = {k: v[:length] if isinstance(v, str) else v for k, v in fields.items()}
        extra = json.dumps(cut, ensure_ascii=False)
    return extra
