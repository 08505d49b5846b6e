"""``GET /events``: what happened, newest first."""

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from watchtower_collector.accept import preferred
from watchtower_collector.auth import AdminGate
from watchtower_collector.errors import rendered_response
from watchtower_collector.reader import Reader
from watchtower_collector.rendering import STREAMED, render_json
from watchtower_collector.routes.parameters import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    EventParameters,
    check_names,
    next_page_parameters,
)
from watchtower_collector.store import Row
from watchtower_collector.store.cursor import encode_cursor
from watchtower_collector.store.query import EventQuery, Position, page

_BY_ACCEPT = {
    "application/json": "json",
    "text/csv": "csv",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
}


def events_router(reader: Reader, admin: AdminGate) -> APIRouter:
    """Return the route."""
    # In this order: who may not ask learns nothing about the parameters.
    checks = [Depends(admin), Depends(check_names(EventParameters))]
    router = APIRouter(dependencies=checks)

    @router.get("/events", response_model=None)
    async def events(
        request: Request, parameters: Annotated[EventParameters, Query()]
    ) -> Response:
        wanted = parameters.format or _accepted(request)
        if wanted == "json":
            return await _json_page(reader, parameters)
        return await _stream(reader, parameters, wanted)

    return router


def _accepted(request: Request) -> str:
    accept = ",".join(request.headers.getlist("accept"))
    return _BY_ACCEPT[preferred(accept, tuple(_BY_ACCEPT))]


@dataclass(frozen=True, slots=True)
class _Page:
    body: bytes
    """Its events, rendered."""
    end: Position | None
    """Where the next one begins, ``None`` when this is the last."""


async def _page(
    reader: Reader,
    query: EventQuery,
    after: Position | None,
    limit: int,
    render: Callable[[Iterable[Row]], bytes],
) -> _Page:
    def work(connection: sa.Connection) -> _Page:
        # One more than wanted tells whether a next page has anything on it.
        rows = page(connection, query, after, limit + 1)
        last = rows[limit - 1] if len(rows) > limit else None
        end = None if last is None else Position(last["timestamp"], last["id"])
        return _Page(render(rows[:limit]), end)

    return await reader.read(work)


def _headers(
    parameters: EventParameters, query: EventQuery, end: Position | None
) -> dict[str, str]:
    if end is None:
        return {"Cache-Control": "no-store"}
    # Relative to the server (RFC 8288, section 3.1): whatever name and port it is reached by.
    following = next_page_parameters(parameters, query, encode_cursor(end))
    link = f'</events?{urlencode(following, doseq=True)}>; rel="next"'
    return {"Cache-Control": "no-store", "Link": link}


async def _json_page(reader: Reader, parameters: EventParameters) -> Response:
    query = parameters.query()
    limit = parameters.limit or DEFAULT_LIMIT
    found = await _page(reader, query, parameters.position(), limit, render_json)
    return rendered_response(found.body, headers=_headers(parameters, query, found.end))


async def _stream(reader: Reader, parameters: EventParameters, wanted: str) -> Response:
    """Answer with everything that matches, page by page, unless a limit is given."""
    media_type, header, render = STREAMED[wanted]
    query = parameters.query()
    limit = parameters.limit
    # The first page before the status line goes out: a store in trouble is a 503, not half a file.
    first = await _page(reader, query, parameters.position(), limit or MAX_LIMIT, render)

    async def lines() -> AsyncIterator[bytes]:
        yield header()
        yield first.body
        end = None if limit else first.end
        # Each page is a read of its own: a slow client holds no transaction, and so no WAL.
        while end is not None:
            following = await _page(reader, query, end, MAX_LIMIT, render)
            yield following.body
            end = following.end

    headers = _headers(parameters, query, first.end if limit else None)
    headers["Content-Disposition"] = f'attachment; filename="watchtower-events.{wanted}"'
    return StreamingResponse(lines(), 200, headers, media_type=media_type)
