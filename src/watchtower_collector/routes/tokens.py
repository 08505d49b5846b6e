"""``/admin/tokens``: the tokens of single hosts."""

import secrets
from collections.abc import Container, Sequence
from typing import Annotated, Any, Literal

import anyio.to_thread
from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi import Path as PathParameter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from watchtower_collector.auth import AdminGate
from watchtower_collector.body import BodyReader
from watchtower_collector.bound_token import BoundToken, bind_tokens, summary
from watchtower_collector.errors import error_response, json_response, rendered_response
from watchtower_collector.rendering import render_array
from watchtower_collector.routes.parameters import (
    Id,
    Patterns,
    check_names,
    check_no_names,
    texts,
)
from watchtower_collector.store.tokens import Token, all_tokens, revoke
from watchtower_collector.strict_json import loads
from watchtower_collector.timestamps import format_rfc3339, now_us
from watchtower_collector.token_registry import TokenRegistry
from watchtower_collector.wanted_token import RefusedTokenError, wanted_tokens
from watchtower_collector.writer import Writer

State = Literal["active", "expiring", "expired", "revoked"]


class TokenParameters(BaseModel):
    """What may stand in the query string."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hostname: Annotated[
        Patterns,
        Field(description="Of this host, or of those that begin so.", examples=[["web-*"]]),
    ] = ()
    state: Annotated[
        tuple[State, ...], Field(description="In this state.", examples=[["active"]])
    ] = ()


def tokens_router(
    tokens: TokenRegistry,
    writer: Writer,
    bodies: BodyReader,
    admin: AdminGate,
    reserved: Container[bytes],
) -> APIRouter:
    """Return the routes; ``reserved`` are the digests of secrets that are no host's token."""
    router = APIRouter(prefix="/admin/tokens", dependencies=[Depends(admin)])

    @router.get("", response_model=None, dependencies=[Depends(check_names(TokenParameters))])
    async def list_tokens(parameters: Annotated[TokenParameters, Query()]) -> Response:
        known = [(token, tokens.last_used(token)) for token in tokens.all()]
        return rendered_response(await anyio.to_thread.run_sync(_render, known, parameters))

    @router.post("", status_code=201, response_model=None, dependencies=[Depends(check_no_names)])
    async def make_tokens(request: Request) -> Response:
        async with bodies.read(request, None) as body:
            try:
                document = loads(body)
            except ValueError as error:
                return error_response(422, str(error))
        try:
            wanted = wanted_tokens(document, reserved)
            made = [None if one.token_sha256 else secrets.token_urlsafe() for one in wanted]
            bound, now_all = await writer.call(
                lambda connection: (bind_tokens(connection, wanted, made), all_tokens(connection))
            )
        except RefusedTokenError as error:
            return error.answer
        tokens.take(now_all)
        request.state.audit_detail = summary(bound)
        results = [_result(one, secret) for one, secret in zip(bound, made, strict=True)]
        if isinstance(document, list):
            return json_response({"status": "ok", "results": results}, 201)
        return json_response(results[0], 201)

    @router.delete("/{token}", response_model=None, dependencies=[Depends(check_no_names)])
    async def revoke_token(
        number: Annotated[Id, PathParameter(alias="token")], request: Request
    ) -> Response:
        revoked = await writer.call(lambda connection: revoke(connection, number, now_us()))
        if revoked is None:
            raise HTTPException(404, f"there is no token {number}")
        tokens.take([revoked])
        request.state.audit_detail = f"revoked token {revoked.id} of {revoked.hostname}"
        return json_response({"status": "ok"})

    return router


def _result(bound: BoundToken, secret: str | None) -> dict[str, object]:
    token = bound.token
    result = {"status": "ok", "id": token.id, "hostname": token.hostname, "created": bound.is_new}
    return result if secret is None else {**result, "token": secret}


def _render(known: Sequence[tuple[Token, int | None]], parameters: TokenParameters) -> bytes:
    """Return those that are asked for, of all with the moments of their last use."""
    now, hosts = now_us(), texts(parameters.hostname)
    return render_array(
        _document(token, last_used, now)
        for token, last_used in known
        if not parameters.state or token.state(now) in parameters.state
        if hosts is None or hosts.match(token.hostname)
    )


def _document(token: Token, last_used: int | None, now: int) -> dict[str, Any]:
    def moment(at: int | None) -> str | None:
        return None if at is None else format_rfc3339(at)

    return {
        "id": token.id,
        "hostname": token.hostname,
        "owner": token.owner,
        "created_at": moment(token.created_at),
        "expires_at": moment(token.expires_at),
        "revoked_at": moment(token.revoked_at),
        "last_used_at": moment(last_used),
        "state": token.state(now),
    }
