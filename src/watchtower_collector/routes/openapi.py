"""``GET /openapi.json``: the description of all routes, for programs."""

import anyio.to_thread
from fastapi import APIRouter, Depends, FastAPI
from starlette.responses import Response

from watchtower_collector.auth import AdminGate
from watchtower_collector.errors import rendered_response
from watchtower_collector.openapi.document import openapi_document
from watchtower_collector.rendering import render
from watchtower_collector.routes.parameters import check_no_names


def openapi_router(app: FastAPI, admin: AdminGate) -> APIRouter:
    """Return the route; it describes the routes that ``app`` has when it is asked."""
    router = APIRouter(dependencies=[Depends(admin), Depends(check_no_names)])

    @router.get("/openapi.json", response_model=None)
    async def openapi() -> Response:
        return rendered_response(await anyio.to_thread.run_sync(_render, app))

    return router


def _render(app: FastAPI) -> bytes:
    return render(openapi_document(app))
