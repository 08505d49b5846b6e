"""``GET /stats``: how many events, by field and by time."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, get_args

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query
from pydantic import BeforeValidator, Field
from starlette.responses import Response

from watchtower_collector.auth import AdminGate
from watchtower_collector.errors import rendered_response
from watchtower_collector.reader import Reader
from watchtower_collector.rendering import render, render_array
from watchtower_collector.routes.parameters import (
    Moment,
    TimedEventFilters,
    check_names,
    refuse,
    whole,
)
from watchtower_collector.store.query import EventQuery
from watchtower_collector.store.stats import (
    MAX_TEXT_BYTES,
    Count,
    StatsQuery,
    TooMuchTextError,
    count_events,
)
from watchtower_collector.timestamps import format_rfc3339, now_us, parse_rfc3339

By = Literal[
    "type",
    "hostname",
    "user",
    "method",
    "source_ip",
    "region",
    "host_group",
    "severity",
    "flagged",
    "key_type",
    "key_fingerprint",
    "certificate_id",
    "trusted",
    "ambiguous",
    "agent_version",
]
Interval = Literal["hour", "day"]
MAX_TOP = 1_000
DEFAULT_TOP = 10
MAX_COUNTS = 100_000  # in one answer: some 10 MB, without the text of the values
_HOUR_US = 3_600_000_000
_DAY_US = 24 * _HOUR_US
_EARLIEST = parse_rfc3339("0001-01-01T00:00:00Z")
_WIDTHS: dict[str, int] = {"hour": _HOUR_US, "day": _DAY_US}
_DEFAULT_RANGES: dict[str | None, int] = {None: _DAY_US, "hour": _DAY_US, "day": 30 * _DAY_US}


def _one_of(words: Sequence[str], text: str) -> str:
    if text not in words:
        raise ValueError(f"must be one of {', '.join(words)}")
    return text


def _by(text: str) -> str:
    return _one_of(get_args(By), text)


def _interval(text: str) -> str:
    return _one_of(get_args(Interval), text)


class StatsParameters(TimedEventFilters):
    """What may stand in the query string of ``GET /stats``."""

    by: Annotated[
        Annotated[By, BeforeValidator(_by)] | None,
        Field(description="A count for each value of this field.", examples=["type"]),
    ] = None
    until: Annotated[
        Moment | None,
        Field(
            description="Before then, itself not included; now by default.",
            examples=["2026-03-15"],
        ),
    ] = None
    interval: Annotated[
        Annotated[Interval, BeforeValidator(_interval)] | None,
        Field(description="A count for each hour or day, in UTC.", examples=["hour"]),
    ] = None
    top: Annotated[
        Annotated[int, Field(ge=1, le=MAX_TOP), BeforeValidator(whole(1, MAX_TOP))],
        Field(
            description="How many values are counted apart; the others are summed up.",
            examples=[DEFAULT_TOP],
        ),
    ] = DEFAULT_TOP


def stats_router(reader: Reader, admin: AdminGate) -> APIRouter:
    """Return the route."""
    checks = [Depends(admin), Depends(check_names(StatsParameters))]
    router = APIRouter(dependencies=checks)

    @router.get("/stats", response_model=None)
    async def stats(parameters: Annotated[StatsParameters, Query()]) -> Response:
        events, since, until = _range(parameters)
        width = _WIDTHS.get(parameters.interval or "", 0)
        query = StatsQuery(
            events=events,
            by=parameters.by,
            top=parameters.top,
            buckets=_buckets(parameters, since, until, width),
            bucket_us=width,
        )
        head = {
            "since": format_rfc3339(since),
            "until": format_rfc3339(until),
            "interval": parameters.interval,
            "by": parameters.by,
        }

        def work(connection: sa.Connection) -> bytes:
            total, counts = count_events(connection, query)
            whole = render({**head, "total": total})
            return whole[:-1] + b',"counts":' + render_array(map(_count_document, counts)) + b"}"

        try:
            return rendered_response(await reader.read(work))
        except TooMuchTextError:
            refuse(
                "interval",
                f"the values are long: more than {MAX_TEXT_BYTES >> 20} MiB, once for each "
                "interval; shorten the range, lower top, or take interval=day",
            )

    return router


def _range(parameters: StatsParameters) -> tuple[EventQuery, int, int]:
    """Return the question with both ends of its range, and the two."""
    query = parameters.query()
    until = now_us() if query.until is None else query.until
    since = query.since
    if since is None:
        since = max(until - _DEFAULT_RANGES[parameters.interval], _EARLIEST)
    if since > until:
        refuse("since", "is later than now, where the range ends without until")
    return replace(query, since=since, until=until), since, until


def _buckets(
    parameters: StatsParameters, since: int, until: int, width: int
) -> Sequence[int] | None:
    if not width:
        return None
    buckets = range(since - since % width, until, width)
    columns = 1 if parameters.by is None else parameters.top + 1
    if len(buckets) * columns > MAX_COUNTS:
        refuse(
            "interval",
            f"{len(buckets)} intervals with {columns} counts each are more than {MAX_COUNTS}: "
            "shorten the range, lower top, or take interval=day",
        )
    return buckets


def _count_document(count: Count) -> dict[str, Any]:
    time = None if count.time is None else format_rfc3339(count.time)
    document: dict[str, Any] = {"time": time, "value": count.value}
    if count.is_other:
        document["other"] = True
    return {**document, "count": count.count}
