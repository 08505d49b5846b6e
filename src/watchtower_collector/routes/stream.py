"""``GET /events/stream``: what happens, as it happens."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from pydantic import BeforeValidator, Field
from starlette.responses import Response

from watchtower_collector.auth import AdminGate
from watchtower_collector.errors import UNAVAILABLE_SECONDS, error_response
from watchtower_collector.event_stream import MAX_STREAMS, Streams
from watchtower_collector.reader import Reader
from watchtower_collector.routes.parameters import (
    MAX_ID,
    EventFilters,
    check_names,
    refuse,
    whole,
)

LAST_EVENT_ID = "Last-Event-ID"
_LAST = "last_event_id"
LastId = Annotated[int, Field(ge=0, le=MAX_ID), BeforeValidator(whole(0, MAX_ID))]


class StreamParameters(EventFilters):
    """What may stand in the query string of ``GET /events/stream``."""

    last_event_id: Annotated[
        LastId | None,
        Field(
            description=(
                "Begin after the event with this id; 0 for all that is stored. Without it the "
                f"stream begins with what comes from now on. The header {LAST_EVENT_ID} wins."
            ),
            examples=[4711],
        ),
    ] = None


def stream_router(reader: Reader, streams: Streams, admin: AdminGate) -> APIRouter:
    """Return the route."""
    checks = [Depends(admin), Depends(check_names(StreamParameters))]
    router = APIRouter(dependencies=checks)

    @router.get("/events/stream", response_model=None)
    async def stream(
        parameters: Annotated[StreamParameters, Query()],
        header: Annotated[
            LastId | None,
            Header(
                alias=LAST_EVENT_ID,
                description="As last_event_id; browsers send it when they come back.",
                examples=[4711],
            ),
        ] = None,
    ) -> Response:
        newest = await reader.last_id()
        last = parameters.last_event_id if header is None else header
        if last is not None and last > newest:
            refuse(
                _LAST,
                f"no event has this id yet, the newest is {newest}: was an older backup restored? "
                "Ask GET /events for what was missed, and begin here without an id",
            )
        if streams.is_full:
            return error_response(
                503,
                f"{MAX_STREAMS} streams are open, and no more are allowed; close one of them",
                {"Retry-After": str(UNAVAILABLE_SECONDS)},
                reason="too_many_streams",
            )
        return streams.open(parameters.query(), newest if last is None else last)

    return router
