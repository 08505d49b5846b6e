"""``/admin/tokens``: the tokens of single hosts."""

import secrets
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import anyio.to_thread
import sqlalchemy as sa
from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi import Path as PathParameter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from watchtower_collector.auth import AdminGate
from watchtower_collector.body import BodyReader
from watchtower_collector.errors import error_response, json_response, rendered_response
from watchtower_collector.rendering import render_array
from watchtower_collector.routes.parameters import (
    Id,
    Patterns,
    check_names,
    check_no_names,
    texts,
)
from watchtower_collector.store.tokens import (
    NameTakenError,
    Token,
    all_tokens,
    bind,
    expire_others,
    revoke,
)
from watchtower_collector.strict_json import loads
from watchtower_collector.timestamps import format_rfc3339, now_us
from watchtower_collector.token_registry import TokenRegistry, digest_of
from watchtower_collector.writer import Writer

MAX_TOKENS = 1_000  # in one request
State = Literal["active", "expiring", "expired", "revoked"]
_MAX_OVERLAP = 366 * 86_400  # seconds


class WantedToken(BaseModel):
    """A token to be made, or one that was made elsewhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hostname: Annotated[str, Field(min_length=1, max_length=255)]
    """The name its events must carry."""
    token_sha256: Annotated[str, Field(pattern="^[0-9A-Fa-f]{64}$")] | None = None
    """Of a token made elsewhere, in hexadecimal; without it, the collector makes one."""
    overlap_seconds: Annotated[int, Field(strict=True, ge=0, le=_MAX_OVERLAP)] | None = None
    """For how long the host's other tokens are still good; without it, as long as before."""
    owner: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """Who alone may give this name further tokens, while this one is good."""


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


class _RefusedError(Exception):
    """Nothing of a request was done."""

    def __init__(self, status: int, message: str, token: int, field: str) -> None:
        super().__init__(message)
        self.answer = error_response(status, message, token=token, field=field)


def tokens_router(
    tokens: TokenRegistry, writer: Writer, bodies: BodyReader, admin: AdminGate
) -> APIRouter:
    """Return the routes."""
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
            wanted = _checked(document)
            made = [None if one.token_sha256 else secrets.token_urlsafe() for one in wanted]
            bound, now_all = await writer.call(
                lambda connection: (_bind(connection, wanted, made), all_tokens(connection))
            )
        except _RefusedError as error:
            return error.answer
        tokens.take(now_all)
        request.state.audit_detail = _summary(bound)
        results = [
            _result(token, is_new, secret)
            for (token, is_new), secret in zip(bound, made, strict=True)
        ]
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


def _bind(
    connection: sa.Connection, wanted: Sequence[WantedToken], made: Sequence[str | None]
) -> list[tuple[Token, bool]]:
    now = now_us()
    bound = []
    for index, (one, secret) in enumerate(zip(wanted, made, strict=True)):
        digest = digest_of(secret) if secret else bytes.fromhex(one.token_sha256 or "")
        try:
            token, is_new = bind(connection, one.hostname, digest, now, one.owner)
        except NameTakenError as error:
            raise _RefusedError(
                409,
                f"the name {one.hostname} belongs to {error.taken.owner} (token "
                f"{error.taken.id}); two hosts of one name could not be told apart. If that one "
                "is gone, revoke its token",
                token=index,
                field="hostname",
            ) from None
        if token.revoked_at is not None:
            raise _RefusedError(
                409,
                f"this token of {one.hostname} was revoked at "
                f"{format_rfc3339(token.revoked_at)} and stays so: make a new one",
                token=index,
                field="token_sha256",
            )
        if one.overlap_seconds is not None:
            expire_others(connection, token, now + one.overlap_seconds * 1_000_000)
        bound.append((token, is_new))
    return bound


def _result(token: Token, is_new: bool, secret: str | None) -> dict[str, object]:
    result = {"status": "ok", "id": token.id, "hostname": token.hostname, "created": is_new}
    return result if secret is None else {**result, "token": secret}


def _summary(bound: Sequence[tuple[Token, bool]]) -> str:
    new = [token for token, is_new in bound if is_new]
    if len(new) == 1:
        return f"made token {new[0].id} for {new[0].hostname}"
    return f"made {len(new)} of {len(bound)} tokens"


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


def _checked(document: object) -> list[WantedToken]:
    """Return what a body asks for.

    Raises:
        _RefusedError: naming what is wrong with which of them.
        HTTPException: 413 too many.
    """
    several = document if isinstance(document, list) else [document]
    if len(several) > MAX_TOKENS:
        raise HTTPException(413, f"{len(several)} tokens in one array: at most {MAX_TOKENS}")
    wanted = []
    for index, one in enumerate(several):
        try:
            wanted.append(WantedToken.model_validate(one))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            raise _RefusedError(422, first["msg"], token=index, field=field) from None
    return wanted
