"""The parameters of ``GET /events``: each checked, each mistake named."""

import re
from typing import Annotated, Literal, NoReturn, get_args

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from watchtower_collector.addresses import network_range
from watchtower_collector.event import EVENT_TYPES, EventType
from watchtower_collector.store.cursor import decode_cursor
from watchtower_collector.store.query import EventQuery, Position
from watchtower_collector.timestamps import format_rfc3339, now_us, parse_rfc3339

MAX_LIMIT = 1_000
DEFAULT_LIMIT = 100
MAX_HOURS = 876_000  # a century
MAX_TEXT = 1_024
_HOUR_US = 3_600_000_000

Format = Literal["json", "csv", "jsonl"]
FORMATS: tuple[str, ...] = get_args(Format)


def _moment(text: str) -> str:
    # In a URL an unescaped "+" is a space: "…T00:00:00+02:00" comes as "…T00:00:00 02:00".
    mended = re.sub(r" (\d\d:\d\d)$", r"+\1", text)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", mended):
        mended += "T00:00:00Z"
    try:
        parse_rfc3339(mended)
    except ValueError:
        raise ValueError(
            "must be a date such as 2026-01-31 (its midnight in UTC) or an RFC 3339 time such as "
            "2026-01-31T23:59:59Z"
        ) from None
    return mended


def _source(text: str) -> str:
    try:
        network_range(text)
    except ValueError:
        raise ValueError(
            "must be an IPv4 or IPv6 address or a network in CIDR form such as 203.0.113.0/24"
        ) from None
    return text


def _cursor(text: str) -> str:
    decode_cursor(text)
    return text


def _event_type(text: str) -> str:
    if text not in EVENT_TYPES:
        raise ValueError(f"must be one of {', '.join(EVENT_TYPES)}")
    return text


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text == "true"


def _hours(text: str) -> float:
    hours = float(text) if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text, re.ASCII) else 0.0
    if not 0 < hours <= MAX_HOURS:
        raise ValueError(f"must be a number above 0, at most {MAX_HOURS}")
    return hours


def _limit(text: str) -> int:
    limit = int(text) if re.fullmatch(r"\d{1,6}", text, re.ASCII) else 0
    if not 0 < limit <= MAX_LIMIT:
        raise ValueError(f"must be a whole number from 1 to {MAX_LIMIT}")
    return limit


def _format(text: str) -> str:
    if text not in FORMATS:
        raise ValueError(f"must be one of {', '.join(FORMATS)}")
    return text


def _text(text: str) -> str:
    if not 1 <= len(text) <= MAX_TEXT or "\0" in text:
        raise ValueError(f"must have 1 to {MAX_TEXT} characters; leave it out to not filter by it")
    return text


Text = Annotated[str, AfterValidator(_text)]
Moment = Annotated[str, AfterValidator(_moment)]


class EventParameters(BaseModel):
    """What may stand in the query string."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: Text | None = None
    hostname: Text | None = None
    source_ip: Annotated[str, AfterValidator(_source)] | None = None
    method: Text | None = None
    type: Annotated[EventType, BeforeValidator(_event_type)] | None = None
    region: Text | None = None
    host_group: Text | None = None
    severity: Text | None = None
    flagged: Annotated[bool, BeforeValidator(_flag)] | None = None
    since: Moment | None = None
    until: Moment | None = None
    hours: Annotated[float, BeforeValidator(_hours)] | None = None
    q: Text | None = None
    limit: Annotated[int, BeforeValidator(_limit)] | None = None
    cursor: Annotated[str, AfterValidator(_cursor)] | None = None
    format: Annotated[Format, BeforeValidator(_format)] | None = None

    def query(self) -> EventQuery:
        """Return the question to the store; ``hours`` counts back from now."""
        since = None if self.since is None else parse_rfc3339(self.since)
        if self.hours is not None:
            since = now_us() - int(self.hours * _HOUR_US)
        return EventQuery(
            user=self.user,
            hostname=self.hostname,
            method=self.method,
            type=self.type,
            region=self.region,
            host_group=self.host_group,
            severity=self.severity,
            flagged=self.flagged,
            source=None if self.source_ip is None else network_range(self.source_ip),
            since=since,
            until=None if self.until is None else parse_rfc3339(self.until),
            text=self.q,
        )

    def position(self) -> Position | None:
        """Return where the page begins, or ``None`` for the first."""
        return None if self.cursor is None else decode_cursor(self.cursor)


async def check_names(request: Request) -> None:
    """Refuse parameters that do not exist, that come twice, or that contradict each other.

    A misspelt filter that was ignored would answer a question nobody asked.

    Raises:
        RequestValidationError: naming the parameter.
    """
    given = request.query_params
    for name in given:
        if name not in EventParameters.model_fields:
            allowed = ", ".join(EventParameters.model_fields)
            _refuse(name[:64], f"there is no such parameter; allowed are {allowed}")
        if len(given.getlist(name)) > 1:
            _refuse(name, "is given twice: once is allowed")
    if "hours" in given and "since" in given:
        _refuse("hours", "hours and since both say where to begin: give one of them")


def _refuse(name: str, message: str) -> NoReturn:
    raise RequestValidationError([{"loc": ("query", name), "msg": message}])


def next_page_parameters(
    parameters: EventParameters, query: EventQuery, cursor: str
) -> dict[str, str]:
    """Return the parameters of the next page.

    ``hours`` becomes the ``since`` it meant on the first page: the range must not move while
    somebody turns pages.
    """
    given = parameters.model_dump(exclude_none=True, exclude={"hours", "cursor"})
    if parameters.hours is not None and query.since is not None:
        given["since"] = format_rfc3339(query.since)
    if "flagged" in given:
        given["flagged"] = "true" if given["flagged"] else "false"
    return {**{name: str(value) for name, value in given.items()}, "cursor": cursor}
