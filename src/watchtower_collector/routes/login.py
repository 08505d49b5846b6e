"""``POST /login``: events come in."""

from collections.abc import Collection

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import Response

from watchtower_collector.auth import AgentGate
from watchtower_collector.body import BodyReader
from watchtower_collector.errors import error_response, json_response
from watchtower_collector.event import RefusedEventError, event_row, parse_event
from watchtower_collector.store import Duplicate, Outcome, Refused, Row
from watchtower_collector.strict_json import loads
from watchtower_collector.timestamps import now_us
from watchtower_collector.writer import Writer

MAX_EVENTS = 1_000  # in one array


def login_router(writer: Writer, bodies: BodyReader, agent: AgentGate) -> APIRouter:
    """Return the route. It answers when the events are committed and on disk."""
    router = APIRouter()

    @router.post("/login", status_code=201, response_model=None)
    async def login(request: Request) -> Response:
        # Before anything of the body is read.
        names = agent.admit(request)
        async with bodies.read(request) as body:
            try:
                document = loads(body)
            except ValueError as error:
                return error_response(422, str(error))
            try:
                if isinstance(document, list):
                    return await _take_array(document, names, writer)
                return await _take_one(document, names, writer)
            except _ForeignHostError as error:
                return error_response(403, str(error), reason="foreign_host", event=error.event)

    return router


class _ForeignHostError(Exception):
    """An event claims to be from a host that the token does not speak for."""

    def __init__(self, event: int, hostname: str, names: Collection[str]) -> None:
        self.event = event
        super().__init__(
            f"this token speaks for {' and '.join(sorted(names))}, and event {event} says that it "
            f"is from {hostname!r}; nothing was stored"
        )


def _checked(index: int, document: object, names: Collection[str] | None, received_at: int) -> Row:
    event = parse_event(document)
    if names is not None and event.hostname not in names:
        raise _ForeignHostError(index, event.hostname, names)
    return event_row(event, received_at)


async def _take_one(document: object, names: Collection[str] | None, writer: Writer) -> Response:
    try:
        row = _checked(0, document, names, now_us())
    except RefusedEventError as error:
        return error_response(422, error.message, event=0, field=error.field)
    (outcome,) = await writer.append([row])
    if isinstance(outcome, Refused):
        return error_response(422, outcome.message, event=0, field="")
    return json_response({"status": "ok", "id": outcome.id}, 201)


async def _take_array(
    documents: list[object], names: Collection[str] | None, writer: Writer
) -> Response:
    if len(documents) > MAX_EVENTS:
        raise HTTPException(413, f"{len(documents)} events in one array: at most {MAX_EVENTS}")
    received_at = now_us()
    rows: list[Row] = []
    results: list[dict[str, object]] = [{}] * len(documents)
    places: list[int] = []
    for index, document in enumerate(documents):
        try:
            rows.append(_checked(index, document, names, received_at))
            places.append(index)
        except RefusedEventError as error:
            results[index] = _rejected(index, error.field, error.message)
    outcomes = await writer.append(rows) if rows else []
    for index, outcome in zip(places, outcomes, strict=True):
        results[index] = _result(index, outcome)
    return json_response({"status": "ok", "results": results}, 201)


def _result(index: int, outcome: Outcome) -> dict[str, object]:
    if isinstance(outcome, Refused):
        return _rejected(index, "", outcome.message)
    status = "duplicate" if isinstance(outcome, Duplicate) else "ok"
    return {"status": status, "id": outcome.id}


def _rejected(index: int, field: str, message: str) -> dict[str, object]:
    return {
        "status": "rejected",
        "error": {"event": index, "field": field, "message": message},
    }
