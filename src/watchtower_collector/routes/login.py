"""``POST /login``: events come in."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from watchtower_collector.auth import AgentGate
from watchtower_collector.body import BodyReader
from watchtower_collector.errors import error_response, json_response
from watchtower_collector.event import RefusedEventError, event_row, parse_event
from watchtower_collector.metrics import Metrics
from watchtower_collector.room import Sender
from watchtower_collector.store import Duplicate, Outcome, Refused, Row, Stored
from watchtower_collector.store.restore_note import RestoreNote
from watchtower_collector.strict_json import loads
from watchtower_collector.timestamps import format_rfc3339, now_us
from watchtower_collector.writer import Writer

PATH = "/login"
MAX_EVENTS = 1_000  # in one array
# Tells agents that what they had acknowledgements for is missing, and since when.
RESTORED_HEADER = "Watchtower-Restored"

Error = dict[str, Any]  # of one event
Names = Collection[str] | None  # of the hosts that the token speaks for; None for all


@dataclass(frozen=True, slots=True)
class _Posted:
    """What a body says: rows to store, and by their places the events that are none."""

    is_array: bool
    rows: list[Row]
    refused: dict[int, Error]


class Login:
    """The endpoint, without FastAPI's way to it: ``Front`` says why."""

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

    async def answer(self, request: Request) -> Response:
        """Return what a request is answered, when its events are committed and on disk.

        Raises:
            Exception: any that ``answer_to`` has an answer for.
        """
        if request.method != "POST":
            raise HTTPException(405, headers={"Allow": "POST"})
        # Before anything of the body is read.
        token = self._agent.token_of(request)
        sender = self._agent.admit(token, request)
        async with self._bodies.read(request, sender) as body:
            # Again: it may have been revoked while the body was on its way.
            names = self._agent.admit(token, request)
            try:
                posted = _read(body, names)
            except ValueError as error:
                return error_response(422, str(error))
            except _ForeignHostError as error:
                return error_response(403, str(error), reason="foreign_host", event=error.event)
            del body  # what waits to be written is the rows, once
            return await self._store(posted, sender)

    async def _store(self, posted: _Posted, sender: Sender) -> Response:
        outcomes = await self._writer.append(posted.rows, sender) if posted.rows else []
        self._count(outcomes, len(posted.refused))
        if posted.is_array:
            results = _results(posted.refused, outcomes)
            return json_response({"status": "ok", "results": results}, 201, self._headers)
        if posted.refused:
            return error_response(422, **posted.refused[0])
        (outcome,) = outcomes
        if isinstance(outcome, Refused):
            return error_response(422, **_error(0, "", outcome.message))
        return json_response({"status": "ok", "id": outcome.id}, 201, self._headers)

    def _count(self, outcomes: Sequence[Outcome], rejected: int) -> None:
        stored = sum(isinstance(outcome, Stored) for outcome in outcomes)
        duplicate = sum(isinstance(outcome, Duplicate) for outcome in outcomes)
        rejected += len(outcomes) - stored - duplicate
        self._metrics.count_events(stored, duplicate, rejected)


class _ForeignHostError(Exception):
    """An event claims to be from a host that the token does not speak for."""

    def __init__(self, event: int, hostname: str, names: Collection[str]) -> None:
        self.event = event
        super().__init__(
            f"this token speaks for {' and '.join(sorted(names))}, and event {event} says that it "
            f"is from {hostname!r}; nothing was stored"
        )


def _read(body: bytes | bytearray, names: Names) -> _Posted:
    """Read a body.

    Raises:
        ValueError: it is not JSON.
        TooManyValuesError: it is too much of it.
        HTTPException: 413 too many events.
        _ForeignHostError: an event is not the sender's to tell.
    """
    document = loads(body)
    documents = document if isinstance(document, list) else [document]
    if len(documents) > MAX_EVENTS:
        raise HTTPException(413, f"{len(documents)} events in one array: at most {MAX_EVENTS}")
    received_at = now_us()
    rows: list[Row] = []
    refused: dict[int, Error] = {}
    for index, one in enumerate(documents):
        try:
            event = parse_event(one)
            if names is not None and event.hostname not in names:
                raise _ForeignHostError(index, event.hostname, names)
            rows.append(event_row(event, received_at))
        except RefusedEventError as error:
            refused[index] = _error(index, error.field, error.message)
    return _Posted(documents is document, rows, refused)


def _results(refused: dict[int, Error], outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return a result for each event of an array, in order."""
    results = []
    taken = iter(outcomes)
    for index in range(len(refused) + len(outcomes)):
        error = refused.get(index)
        if error is None:
            outcome = next(taken)
            if not isinstance(outcome, Refused):
                status = "duplicate" if isinstance(outcome, Duplicate) else "ok"
                results.append({"status": status, "id": outcome.id})
                continue
            error = _error(index, "", outcome.message)
        results.append({"status": "rejected", "error": error})
    return results


def _error(event: int, field: str, message: str) -> Error:
    return {"event": event, "field": field, "message": message}
