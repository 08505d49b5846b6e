"""What a request is answered when it cannot be done: one shape for all of it.

``{"status": "error", "error": {"message": "…", …}}``, where 422 adds what was wrong.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from watchtower_collector.rendering import render
from watchtower_collector.room import QueueFullError, TooMuchAtOnceError
from watchtower_collector.store import StoreUnavailableError
from watchtower_collector.strict_json import MAX_VALUES, TooManyValuesError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastapi import FastAPI
    from starlette.requests import Request

QUEUE_FULL_SECONDS = 2
UNAVAILABLE_SECONDS = 10


def json_response(
    document: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a small ``document`` as compact JSON in UTF-8, which no cache may keep."""
    return rendered_response(render(document), status, headers)


def rendered_response(
    body: bytes, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return JSON that is rendered already; what may be long is, in another thread."""
    return Response(
        body,
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        media_type="application/json",
    )


def error_response(
    status: int, message: str, headers: Mapping[str, str] | None = None, **details: object
) -> Response:
    """Return the one error shape; ``details`` join the message in ``error``."""
    error = {"message": message, **details}
    return json_response({"status": "error", "error": error}, status, headers)


def _http(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    message = error.detail or HTTPStatus(error.status_code).phrase
    return error_response(error.status_code, message, error.headers)


def _parameters(_request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    names = [str(part) for part in first["loc"][1:2]]
    message = first["msg"].removeprefix("Value error, ")
    return error_response(422, message, parameter=names[0] if names else "")


def _queue_full(request: Request, _error: Exception) -> Response:
    request.state.is_busy = True
    return error_response(
        503,
        "too much is waiting to be written; try again",
        {"Retry-After": str(QUEUE_FULL_SECONDS)},
        reason="queue_full",
    )


def _too_much_at_once(request: Request, _error: Exception) -> Response:
    request.state.is_busy = True
    return error_response(
        503,
        "other requests with this token are on their way, large or many: finish them first",
        {"Retry-After": str(QUEUE_FULL_SECONDS)},
        reason="too_much_at_once",
    )


def _too_many_values(_request: Request, _error: Exception) -> Response:
    return error_response(
        413, f"the body holds more than {MAX_VALUES} values: send fewer events at a time"
    )


def _unavailable(_request: Request, error: Exception) -> Response:
    # The reason word only: the rest names files, and belongs to the journal.
    reason = error.reason if isinstance(error, StoreUnavailableError) else "internal_error"
    return error_response(
        503,
        f"the store cannot do this now: {reason}",
        {"Retry-After": str(UNAVAILABLE_SECONDS)},
        reason=reason,
    )


def _defect(_request: Request, _error: Exception) -> Response:
    return error_response(500, "a defect in the collector; its journal says more")


_ANSWERS: dict[type[Exception], Callable[[Request, Exception], Response]] = {
    HTTPException: _http,
    RequestValidationError: _parameters,
    QueueFullError: _queue_full,
    TooMuchAtOnceError: _too_much_at_once,
    TooManyValuesError: _too_many_values,
    StoreUnavailableError: _unavailable,
    Exception: _defect,
}


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error of ``app`` in the one shape."""
    for kind, answer in _ANSWERS.items():
        app.add_exception_handler(kind, answer)


def answer_to(request: Request, error: Exception) -> Response:
    """Return what a request is answered that came to an error."""
    return _ANSWERS[_kind(error)](request, error)


def is_defect(error: Exception) -> bool:
    """Return whether it is none of the errors that are expected."""
    return _kind(error) is Exception


def _kind(error: Exception) -> type[Exception]:
    return next(kind for kind in type(error).__mro__ if kind in _ANSWERS)
