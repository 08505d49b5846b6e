"""``GET /admin/audit``: who asked what, newest first."""

import re
from typing import Annotated
from urllib.parse import urlencode

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query
from pydantic import BeforeValidator, Field
from starlette.responses import Response

from watchtower_collector.auth import AdminGate
from watchtower_collector.errors import rendered_response
from watchtower_collector.reader import Reader
from watchtower_collector.rendering import render_array
from watchtower_collector.routes.parameters import (
    DEFAULT_LIMIT,
    Limit,
    Patterns,
    TimeRange,
    check_names,
    texts,
)
from watchtower_collector.store.audit import AuditQuery, entries
from watchtower_collector.timestamps import format_rfc3339


def _cursor(text: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise ValueError("must be taken as it is from a Link header of an earlier answer")
    return int(text)


class AuditParameters(TimeRange):
    """What may stand in the query string of ``GET /admin/audit``."""

    path: Annotated[
        Patterns,
        Field(description="What was asked, or its beginning and a `*`.", examples=[["/admin/*"]]),
    ] = ()
    limit: Annotated[Limit, Field(description="How many entries.", examples=[DEFAULT_LIMIT])] = (
        DEFAULT_LIMIT
    )
    cursor: Annotated[
        Annotated[int, BeforeValidator(_cursor)] | None,
        Field(
            description="Where the page begins; taken from the Link header of an earlier answer.",
            examples=[4711],
        ),
    ] = None


def audit_router(reader: Reader, admin: AdminGate) -> APIRouter:
    """Return the route."""
    router = APIRouter(dependencies=[Depends(admin), Depends(check_names(AuditParameters))])

    @router.get("/admin/audit", response_model=None)
    async def audit(parameters: Annotated[AuditParameters, Query()]) -> Response:
        since, until = parameters.bounds()
        query = AuditQuery(since, until, texts(parameters.path))
        limit = parameters.limit

        def work(connection: sa.Connection) -> tuple[bytes, int | None]:
            # One more than wanted tells whether a next page has anything on it.
            rows = entries(connection, query, parameters.cursor, limit + 1)
            found = ({**row, "at": format_rfc3339(row["at"])} for row in rows[:limit])
            return render_array(found), rows[limit - 1]["id"] if len(rows) > limit else None

        body, last = await reader.read(work)
        headers = {}
        if last is not None:
            given = parameters.model_dump(exclude_defaults=True, exclude={"hours"})
            if since is not None:
                given["since"] = format_rfc3339(since)  # the range must not move between pages
            following = urlencode({**given, "cursor": last}, doseq=True)
            headers["Link"] = f'</admin/audit?{following}>; rel="next"'
        return rendered_response(body, headers=headers)

    return router
