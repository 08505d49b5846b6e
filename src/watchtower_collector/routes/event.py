"""``GET /events/{id}``: one event."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Depends, HTTPException, Path
from starlette.responses import Response

from watchtower_collector.auth import AdminGate
from watchtower_collector.errors import rendered_response
from watchtower_collector.reader import Reader
from watchtower_collector.rendering import render_event
from watchtower_collector.routes.parameters import Id, check_no_names
from watchtower_collector.store.following import event_by_id


def event_router(reader: Reader, admin: AdminGate) -> APIRouter:
    """Return the route."""
    router = APIRouter(dependencies=[Depends(admin), Depends(check_no_names)])

    @router.get("/events/{id}", response_model=None)
    async def event(number: Annotated[Id, Path(alias="id")]) -> Response:
        def work(connection: sa.Connection) -> bytes | None:
            row = event_by_id(connection, number)
            return None if row is None else render_event(row)

        body = await reader.read(work)
        if body is None:
            raise HTTPException(404, "there is no event with this id")
        return rendered_response(body)

    return router
