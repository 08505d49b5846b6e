"""What may be asked of ``POST /admin/tokens``."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Annotated

from fastapi import HTTPException
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from watchtower_collector.errors import error_response

if TYPE_CHECKING:
    from collections.abc import Container

MAX_TOKENS = 1_000  # in one request
_MAX_OVERLAP = 366 * 86_400  # seconds
_MAX_FIELD = 64  # characters of the name of a field that there is not


def _printable(text: str) -> str:
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValueError("must have no control characters")
    return text


Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        json_schema_extra={"pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$"},
    ),
    AfterValidator(_printable),
]


class WantedToken(BaseModel):
    """A token to be made, or one that was made elsewhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hostname: Name
    """The name its events must carry."""
    token_sha256: Annotated[str, Field(pattern="^[0-9A-Fa-f]{64}$")] | None = None
    """Of a token made elsewhere, in hexadecimal; without it, the collector makes one."""
    overlap_seconds: Annotated[int, Field(strict=True, ge=0, le=_MAX_OVERLAP)] | None = None
    """For how long the host's other tokens are still good; without it, as long as before."""
    owner: Name | None = None
    """Who alone may give this name further tokens, while this one is good."""


class RefusedTokenError(Exception):
    """Nothing of a request was done."""

    def __init__(self, status: int, message: str, token: int, field: str) -> None:
        super().__init__(message)
        self.answer = error_response(status, message, token=token, field=field)


def wanted_tokens(document: object, reserved: Container[bytes]) -> list[WantedToken]:
    """Return what a body asks for; ``reserved`` are the digests of what is no host's token.

    Raises:
        RefusedTokenError: 422, naming what is wrong with which of them.
        HTTPException: 413 too many.
    """
    several = document if isinstance(document, list) else [document]
    if len(several) > MAX_TOKENS:
        raise HTTPException(413, f"{len(several)} tokens in one array: at most {MAX_TOKENS}")
    return [_wanted_token(one, index, reserved) for index, one in enumerate(several)]


def _wanted_token(document: object, index: int, reserved: Container[bytes]) -> WantedToken:
    try:
        wanted = WantedToken.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])[:_MAX_FIELD]
        message = first["msg"].removeprefix("Value error, ")
        raise RefusedTokenError(422, message, token=index, field=field) from None
    if wanted.token_sha256 and bytes.fromhex(wanted.token_sha256) in reserved:
        raise RefusedTokenError(
            422,
            "this is the SHA-256 of nothing, or of a key or token in the collector's settings: a "
            "host needs a token of its own",
            token=index,
            field="token_sha256",
        )
    return wanted
