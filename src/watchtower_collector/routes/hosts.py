"""``/hosts``: what is known of each host, and which have fallen silent."""

from typing import Annotated, Any
from urllib.parse import urlencode

import sqlalchemy as sa
from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from watchtower_collector.auth import AdminGate
from watchtower_collector.errors import json_response, rendered_response
from watchtower_collector.reader import Reader
from watchtower_collector.rendering import render_array
from watchtower_collector.routes.parameters import (
    Patterns,
    check_names,
    check_no_names,
    flag,
    texts,
    whole,
)
from watchtower_collector.store import Row
from watchtower_collector.store.cursor import decode_name_cursor, encode_name_cursor
from watchtower_collector.store.host_list import HostQuery, host_page, is_silent
from watchtower_collector.store.hosts import forget_host
from watchtower_collector.timestamps import format_rfc3339, now_us
from watchtower_collector.writer import Writer

MAX_HOSTS = 10_000
DEFAULT_HOSTS = 1_000
_TIMES = ("first_seen", "last_seen", "last_login", "last_heartbeat")
HOST_FIELDS = (
    "hostname",
    "first_seen",
    "last_seen",
    "last_login",
    "last_login_user",
    "last_login_source_ip",
    "last_heartbeat",
    "agent_version",
    "spool_depth",
    "clock_offset_seconds",
    "trouble",
    "region",
    "host_group",
)


def _cursor(text: str) -> str:
    decode_name_cursor(text)
    return text


class HostParameters(BaseModel):
    """What may stand in the query string of ``GET /hosts``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hostname: Annotated[
        Patterns,
        Field(
            description="The host's name, or its beginning and a `*`.",
            examples=[["web-*", "db-1"]],
        ),
    ] = ()
    silent: Annotated[
        Annotated[bool, BeforeValidator(flag)] | None,
        Field(description="Only hosts that have fallen silent, or only others.", examples=[True]),
    ] = None
    limit: Annotated[
        Annotated[int, Field(ge=1, le=MAX_HOSTS), BeforeValidator(whole(1, MAX_HOSTS))],
        Field(description="How many hosts.", examples=[DEFAULT_HOSTS]),
    ] = DEFAULT_HOSTS
    cursor: Annotated[
        Annotated[str, BeforeValidator(_cursor)] | None,
        Field(
            description="Where the page begins; taken from the Link header of an earlier answer.",
            examples=["AndlYi0x"],
        ),
    ] = None


class AnyText(PathConvertor):
    """The rest of a path: a name that somebody made up may hold slashes and line feeds."""

    regex = r"(?s:.*)"


register_url_convertor("any_text", AnyText())


def hosts_router(
    reader: Reader, writer: Writer, silent_seconds: int, admin: AdminGate
) -> APIRouter:
    """Return the routes; a host is silent that nothing was heard of for ``silent_seconds``."""
    router = APIRouter(dependencies=[Depends(admin)])

    @router.get("/hosts", response_model=None, dependencies=[Depends(check_names(HostParameters))])
    async def hosts(parameters: Annotated[HostParameters, Query()]) -> Response:
        silent_before = now_us() - silent_seconds * 1_000_000
        query = HostQuery(silent_before, parameters.silent, texts(parameters.hostname))
        after = None if parameters.cursor is None else decode_name_cursor(parameters.cursor)
        limit = parameters.limit

        def work(connection: sa.Connection) -> tuple[bytes, dict[str, str]]:
            # One more than wanted tells whether a next page has anything on it.
            rows = host_page(connection, query, after, limit + 1)
            headers = _link(parameters, rows[limit - 1]) if len(rows) > limit else {}
            return render_array(
                _host_document(row, silent_before) for row in rows[:limit]
            ), headers

        body, headers = await reader.read(work)
        return rendered_response(body, headers=headers)

    @router.delete(
        "/hosts/{hostname:any_text}", response_model=None, dependencies=[Depends(check_no_names)]
    )
    async def forget(hostname: str, request: Request) -> Response:
        if not await writer.call(lambda connection: forget_host(connection, hostname)):
            raise HTTPException(404, f"there is no host {hostname[:255]!r}")
        request.state.audit_detail = f"forgot {hostname}"
        return json_response({"status": "ok"})

    return router


def _host_document(row: Row, silent_before: int) -> dict[str, Any]:
    document = {name: row[name] for name in HOST_FIELDS}
    for name in _TIMES:
        if row[name] is not None:
            document[name] = format_rfc3339(row[name])
    document["silent_since"] = document["last_seen"] if is_silent(row, silent_before) else None
    return document


def _link(parameters: HostParameters, last: Row) -> dict[str, str]:
    following: dict[str, Any] = parameters.model_dump(exclude_defaults=True, exclude={"cursor"})
    if parameters.silent is not None:
        following["silent"] = "true" if parameters.silent else "false"
    following["cursor"] = encode_name_cursor(last["hostname"])
    return {"Link": f'</hosts?{urlencode(following, doseq=True)}>; rel="next"'}
