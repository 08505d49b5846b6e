"""``GET /healthz``: whether events can be stored now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from watchtower_collector.errors import UNAVAILABLE_SECONDS, json_response

if TYPE_CHECKING:
    from starlette.responses import Response

    from watchtower_collector.writer import Writer


def healthz_router(writer: Writer) -> APIRouter:
    """Return the route. It only looks at the last commit: anyone may ask, at any rate."""
    router = APIRouter()

    # Load balancers ask with HEAD.
    @router.head("/healthz", response_model=None, include_in_schema=False)
    @router.get("/healthz", response_model=None)
    async def healthz() -> Response:
        trouble = writer.trouble
        if trouble is None:
            return json_response({"status": "ok"})
        return json_response(
            {"status": "unavailable", "reason": trouble},
            503,
            {"Retry-After": str(UNAVAILABLE_SECONDS)},
        )

    return router
