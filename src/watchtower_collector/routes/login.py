"""``POST /login``: events come in."""

from collections.abc import Collection, Sequence

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from watchtower_collector.auth import AgentGate
from watchtower_collector.body import BodyReader
from watchtower_collector.errors import error_response, json_response
from watchtower_collector.event import RefusedEventError, event_row, parse_event
from watchtower_collector.metrics import Metrics
from watchtower_collector.store import Duplicate, Outcome, Refused, Row, Stored
from watchtower_collector.store.restore_note import RestoreNote
from watchtower_collector.strict_json import loads
from watchtower_collector.timestamps import format_rfc3339, now_us
from watchtower_collector.writer import Writer

MAX_EVENTS = 1_000  # in one array
# Tells agents that what they had acknowledgements for is missing, and since when.
RESTORED_HEADER = "Watchtower-Restored"

Names = Collection[str] | None  # of the hosts that the token speaks for; None for all


class Login:
    """The endpoint as plain ASGI: most requests go here, and FastAPI's way costs twice as much."""

    def __init__(
        self,
        writer: Writer,
        bodies: BodyReader,
        agent: AgentGate,
        metrics: Metrics,
        note: RestoreNote | None,
    ) -> None:
        self._writer = writer
        self._bodies = bodies
        self._agent = agent
        self._metrics = metrics
        self._headers = {}
        if note is not None:
            since = format_rfc3339(note.missing_since)
            self._headers = {RESTORED_HEADER: f"{note.id} {since}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, when its events are committed and on disk."""
        request = Request(scope, receive)
        # Before anything of the body is read.
        sender = self._agent.admit(request)
        async with self._bodies.read(request, sender) as body:
            # Again: it may have been revoked while the body was on its way.
            names = self._agent.admit(request)
            response = await self._answer(body, names)
        await response(scope, receive, send)

    async def _answer(self, body: bytes, names: Names) -> Response:
        try:
            document = loads(body)
        except ValueError as error:
            return error_response(422, str(error))
        try:
            if isinstance(document, list):
                return await self._take_array(document, names)
            return await self._take_one(document, names)
        except _ForeignHostError as error:
            return error_response(403, str(error), reason="foreign_host", event=error.event)

    async def _take_one(self, document: object, names: Names) -> Response:
        try:
            row = _checked(0, document, names, now_us())
        except RefusedEventError as error:
            self._metrics.count_events(0, 0, 1)
            return error_response(422, error.message, event=0, field=error.field)
        (outcome,) = await self._writer.append([row])
        self._count([outcome], 0)
        if isinstance(outcome, Refused):
            return error_response(422, outcome.message, event=0, field="")
        return json_response({"status": "ok", "id": outcome.id}, 201, self._headers)

    async def _take_array(self, documents: list[object], names: Names) -> Response:
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
        outcomes = await self._writer.append(rows) if rows else []
        self._count(outcomes, len(documents) - len(rows))
        for index, outcome in zip(places, outcomes, strict=True):
            results[index] = _result(index, outcome)
        return json_response({"status": "ok", "results": results}, 201, self._headers)

    def _count(self, outcomes: Sequence[Outcome], rejected: int) -> None:
        stored = sum(isinstance(outcome, Stored) for outcome in outcomes)
        duplicate = sum(isinstance(outcome, Duplicate) for outcome in outcomes)
        rejected += len(outcomes) - stored - duplicate
        self._metrics.count_events(stored, duplicate, rejected)


def login_route(login: Login) -> Route:
    """Return the route."""
    return Route("/login", login, methods=["POST"], name="login")


class _ForeignHostError(Exception):
    """An event claims to be from a host that the token does not speak for."""

    def __init__(self, event: int, hostname: str, names: Collection[str]) -> None:
        self.event = event
        super().__init__(
            f"this token speaks for {' and '.join(sorted(names))}, and event {event} says that it "
            f"is from {hostname!r}; nothing was stored"
        )


def _checked(index: int, document: object, names: Names, received_at: int) -> Row:
    event = parse_event(document)
    if names is not None and event.hostname not in names:
        raise _ForeignHostError(index, event.hostname, names)
    return event_row(event, received_at)


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
