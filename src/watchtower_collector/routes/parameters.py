"""The parameters of questions about events: each checked, each mistake named."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Literal, NoReturn, get_args

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from watchtower_collector.addresses import network_ranges
from watchtower_collector.event import EVENT_TYPES
from watchtower_collector.store.cursor import decode_cursor
from watchtower_collector.store.matching import Texts
from watchtower_collector.store.query import EventQuery, Position
from watchtower_collector.timestamps import format_rfc3339, now_us, parse_rfc3339

MAX_LIMIT = 1_000
DEFAULT_LIMIT = 100
MAX_HOURS = 876_000  # a century
MAX_TEXT = 1_024
MAX_VALUES = 100  # of one parameter
MAX_ID = (1 << 63) - 1
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
        network_ranges(text)
    except ValueError:
        raise ValueError(
            "must be an IPv4 or IPv6 address or a network in CIDR form such as 203.0.113.0/24"
        ) from None
    return text


def _cursor(text: str) -> str:
    decode_cursor(text)
    return text


def flag(text: str) -> bool:
    """Validate ``true`` or ``false``."""
    if text not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text == "true"


def _hours(text: str) -> float:
    hours = float(text) if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text, re.ASCII) else 0.0
    if not 0 < hours <= MAX_HOURS:
        raise ValueError(f"must be a number above 0, at most {MAX_HOURS}")
    return hours


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a validator for whole numbers with these bounds, both included."""

    def validate(text: str) -> int:
        number = int(text) if re.fullmatch(r"\d{1,19}", text, re.ASCII) else low - 1
        if not low <= number <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return number

    return validate


def _format(text: str) -> str:
    if text not in FORMATS:
        raise ValueError(f"must be one of {', '.join(FORMATS)}")
    return text


def _text(text: str) -> str:
    if not 1 <= len(text) <= MAX_TEXT or "\0" in text:
        raise ValueError(f"must have 1 to {MAX_TEXT} characters; leave it out to not filter by it")
    return text


def _split(pattern: str) -> tuple[str, bool]:
    """Return the text that a pattern means, and whether it is only a beginning."""
    is_prefix = pattern.endswith("*")
    # As in a shell's patterns. A backslash would not do: CORP\* means all users of a domain.
    return pattern.removesuffix("*").replace("[*]", "*"), is_prefix


def _pattern(pattern: str) -> str:
    _text(pattern)
    if "*" in pattern.replace("[*]", "").removesuffix("*"):
        raise ValueError(
            "may have one * at its end, which stands for any text; for the character itself "
            "write [*]"
        )
    return pattern


def _types(pattern: str) -> list[str]:
    text, is_prefix = _split(pattern)
    return [t for t in EVENT_TYPES if t == text or (is_prefix and t.startswith(text))]


def _event_type(pattern: str) -> str:
    if not _types(_pattern(pattern)):
        raise ValueError(
            f"must be one of {', '.join(EVENT_TYPES)}, or the beginning of one and a *"
        )
    return pattern


def _not_too_many(values: Sequence[str]) -> Sequence[str]:
    if len(values) > MAX_VALUES:
        raise ValueError(f"is given {len(values)} times: at most {MAX_VALUES} are allowed")
    return values


# The constraints in Field are for the OpenAPI document: the validators come first, in our words.
_VALUES = (Field(max_length=MAX_VALUES), BeforeValidator(_not_too_many))
_LENGTH = Field(min_length=1, max_length=MAX_TEXT)
Pattern = Annotated[str, _LENGTH, BeforeValidator(_pattern)]
Patterns = Annotated[tuple[Pattern, ...], *_VALUES]
Types = Annotated[tuple[Annotated[str, _LENGTH, BeforeValidator(_event_type)], ...], *_VALUES]
Sources = Annotated[tuple[Annotated[str, BeforeValidator(_source)], ...], *_VALUES]
Text = Annotated[str, _LENGTH, BeforeValidator(_text)]
Moment = Annotated[str, BeforeValidator(_moment)]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT), BeforeValidator(whole(1, MAX_LIMIT))]

Id = Annotated[int, Field(ge=1, le=MAX_ID), BeforeValidator(whole(1, MAX_ID))]


def texts(patterns: Sequence[str]) -> Texts | None:
    """Return what the values of one parameter ask for; ``None`` when there are none."""
    parts = [_split(pattern) for pattern in patterns]
    if not parts:
        return None
    return Texts(
        exact=tuple(text for text, is_prefix in parts if not is_prefix),
        prefixes=tuple(text for text, is_prefix in parts if is_prefix),
    )


class EventFilters(BaseModel):
    """Which events are meant, whenever they were."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: Annotated[
        Patterns,
        Field(description="The user's name, or its beginning and a `*`.", examples=[["root"]]),
    ] = ()
    hostname: Annotated[
        Patterns,
        Field(
            description="The host's name, or its beginning and a `*`.",
            examples=[["web-*", "db-1"]],
        ),
    ] = ()
    source_ip: Annotated[
        Sources,
        Field(
            description="An address, or a network in CIDR form.",
            examples=[["203.0.113.0/24", "2001:db8::1"]],
        ),
    ] = ()
    method: Annotated[
        Patterns,
        Field(
            description="How they authenticated, or its beginning and a `*`.",
            examples=[["password"]],
        ),
    ] = ()
    type: Annotated[
        Types,
        Field(
            description=f"What happened, or its beginning and a `*`. {', '.join(EVENT_TYPES)}.",
            examples=[["login", "sudo*"]],
        ),
    ] = ()
    region: Annotated[
        Patterns,
        Field(description="The host's region, or its beginning and a `*`.", examples=[["eu-*"]]),
    ] = ()
    host_group: Annotated[
        Patterns,
        Field(description="The host's group, or its beginning and a `*`.", examples=[["web"]]),
    ] = ()
    severity: Annotated[
        Patterns,
        Field(description="The host's severity, or its beginning and a `*`.", examples=[["high"]]),
    ] = ()
    flagged: Annotated[
        Annotated[bool, BeforeValidator(flag)] | None,
        Field(description="Whether the host is labelled as one to look at.", examples=[True]),
    ] = None
    q: Annotated[
        Text | None,
        Field(
            description=(
                "This text somewhere in raw_message, user, hostname, source_ip, key_fingerprint "
                "or certificate_id; upper and lower case alike for A to Z."
            ),
            examples=["SHA256:Zk6cHqbhl7mS5lKnYH2hPUuJ0kTLb0qPq3J9xGdXwTs"],
        ),
    ] = None

    def query(self) -> EventQuery:
        """Return the question to the store."""
        return EventQuery(
            user=texts(self.user),
            hostname=texts(self.hostname),
            method=texts(self.method),
            type=self._event_types(),
            region=texts(self.region),
            host_group=texts(self.host_group),
            severity=texts(self.severity),
            flagged=self.flagged,
            sources=tuple(one for source in self.source_ip for one in network_ranges(source)),
            text=self.q,
        )

    def _event_types(self) -> Texts | None:
        found = dict.fromkeys(name for pattern in self.type for name in _types(pattern))
        return Texts(exact=tuple(found)) if found else None


class TimeRange(BaseModel):
    """Of which time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: Annotated[
        Moment | None,
        Field(
            description="From then on, itself included: a date, its midnight in UTC, or RFC 3339.",
            examples=["2026-03-14T09:00:00+01:00"],
        ),
    ] = None
    until: Annotated[
        Moment | None,
        Field(
            description=(
                "Before then, itself not included. Without it there is no end, with hours neither."
            ),
            examples=["2026-03-15"],
        ),
    ] = None
    hours: Annotated[
        Annotated[float, Field(gt=0, le=MAX_HOURS), BeforeValidator(_hours)] | None,
        Field(description="From so many hours ago on; not together with since.", examples=[24]),
    ] = None

    def bounds(self) -> tuple[int | None, int | None]:
        """Return since when and until when, in microseconds; ``hours`` counts back from now.

        Raises:
            RequestValidationError: the range ends before it begins.
        """
        since = None if self.since is None else parse_rfc3339(self.since)
        if self.hours is not None:
            since = now_us() - int(self.hours * _HOUR_US)
        until = None if self.until is None else parse_rfc3339(self.until)
        if since is not None and until is not None and since > until:
            refuse("until", "is before since, or before the time that hours begins at")
        return since, until


class TimedEventFilters(EventFilters, TimeRange):
    """Which events are meant, and of which time."""

    def query(self) -> EventQuery:
        """Return the question to the store."""
        return super().query().within(*self.bounds())


class EventParameters(TimedEventFilters):
    """What may stand in the query string of ``GET /events``."""

    limit: Annotated[
        Limit | None,
        Field(
            description=(
                f"How many events, {DEFAULT_LIMIT} by default; CSV and JSON Lines have all "
                "without it."
            ),
            examples=[DEFAULT_LIMIT],
        ),
    ] = None
    cursor: Annotated[
        Annotated[str, BeforeValidator(_cursor)] | None,
        Field(
            description="Where the page begins; taken from the Link header of an earlier answer.",
            examples=["AQAGTPyZoCCAAAAAAAAAEmc"],
        ),
    ] = None
    format: Annotated[
        Annotated[Format, BeforeValidator(_format)] | None,
        Field(description="The form of the answer; wins over Accept.", examples=["jsonl"]),
    ] = None

    def position(self) -> Position | None:
        """Return where the page begins, or ``None`` for the first."""
        return None if self.cursor is None else decode_cursor(self.cursor)


def check_names(model: type[BaseModel]) -> Callable[[Request], Awaitable[None]]:
    """Return a check that refuses parameters that ``model`` does not have, or not more than once.

    A misspelt filter that was ignored would answer a question nobody asked. It raises
    RequestValidationError, naming the parameter.
    """
    fields = model.model_fields
    repeatable = {name for name, field in fields.items() if field.default == ()}

    async def check(request: Request) -> None:
        given = request.query_params
        for name in given:
            if name not in fields:
                allowed = ", ".join(fields) or "none"
                refuse(name[:64], f"there is no such parameter; allowed are {allowed}")
            if len(given.getlist(name)) > 1 and name not in repeatable:
                refuse(name, "is given twice: once is allowed")
        if "hours" in given and "since" in given:
            refuse("hours", "hours and since both say where to begin: give one of them")

    return check


class _NoParameters(BaseModel):
    """Nothing may stand in the query string."""


check_no_names = check_names(_NoParameters)


def refuse(name: str, message: str) -> NoReturn:
    """Answer 422: the parameter ``name`` of the query string is wrong."""
    raise RequestValidationError([{"loc": ("query", name), "msg": message}])


def next_page_parameters(
    parameters: EventParameters, query: EventQuery, cursor: str
) -> dict[str, str | tuple[str, ...]]:
    """Return the parameters of the next page; those given several times as tuples.

    ``hours`` becomes the ``since`` it meant on the first page: the range must not move while
    somebody turns pages.
    """
    given = parameters.model_dump(exclude_defaults=True, exclude={"hours", "cursor"})
    if parameters.hours is not None and query.since is not None:
        given["since"] = format_rfc3339(query.since)
    if "flagged" in given:
        given["flagged"] = "true" if given["flagged"] else "false"
    return {**given, "cursor": cursor}
