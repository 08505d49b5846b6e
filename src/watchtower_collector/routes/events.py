"""``GET /events``: what happened, newest first."""

from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from watchtower_collector.auth import AdminGate
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

_NO_STORE = {"Cache-Control": "no-store"}
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


async def _page(
    reader: Reader, query: EventQuery, after: Position | None, limit: int
) -> list[Row]:
    return await reader.read(lambda connection: page(connection, query, after, limit))


def _accepted(request: Request) -> str:
    for part in request.headers.get("accept", "").split(","):
        wanted = _BY_ACCEPT.get(part.partition(";")[0].strip().lower())
        if wanted is not None:
            return wanted
    return "json"


def _position(row: Row) -> Position:
    return Position(row["timestamp"], row["id"])


def _link(parameters: EventParameters, query: EventQuery, last: Row) -> dict[str, str]:
    # Relative to the server (RFC 8288, section 3.1): whatever name and port it is reached by.
    following = next_page_parameters(parameters, query, encode_cursor(_position(last)))
    return {"Link": f'</events?{urlencode(following, doseq=True)}>; rel="next"'}


async def _json_page(reader: Reader, parameters: EventParameters) -> Response:
    query = parameters.query()
    limit = parameters.limit or DEFAULT_LIMIT
    # One more than wanted tells whether a next page has anything on it.
    rows = await _page(reader, query, parameters.position(), limit + 1)
    headers = dict(_NO_STORE)
    if len(rows) > limit:
        headers |= _link(parameters, query, rows[limit - 1])
    return Response(render_json(rows[:limit]), 200, headers, media_type="application/json")


async def _stream(reader: Reader, parameters: EventParameters, wanted: str) -> Response:
    """Answer with everything that matches, page by page, unless a limit is given."""
    media_type, header, render = STREAMED[wanted]
    query = parameters.query()
    limit = parameters.limit
    # The first page before the status line goes out: a store in trouble is a 503, not half a file.
    rows = await _page(reader, query, parameters.position(), limit + 1 if limit else MAX_LIMIT)
    headers = dict(_NO_STORE)
    if limit and len(rows) > limit:
        headers |= _link(parameters, query, rows[limit - 1])

    async def lines() -> AsyncIterator[str]:
        nonlocal rows
        yield header()
        if limit:
            yield render(rows[:limit])
            return
        # Each page is a read of its own: a slow client holds no transaction, and so no WAL.
        while rows:
            yield render(rows)
            full = len(rows) == MAX_LIMIT
            rows = await _page(reader, query, _position(rows[-1]), MAX_LIMIT) if full else []

    headers["Content-Disposition"] = f'attachment; filename="watchtower-events.{wanted}"'
    return StreamingResponse(lines(), 200, headers, media_type=media_type)
