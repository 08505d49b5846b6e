"""Who may post events, and who may read them."""

import hashlib
import hmac
import logging
from collections.abc import Awaitable, Callable

from fastapi import HTTPException
from starlette.requests import Request

from watchtower_collector.logs import Throttle

TOKEN_HEADER = "X-Login-Alert-Token"  # noqa: S105  # the header's name, not a token
ADMIN_HEADER = "X-Admin-Api-Key"

Check = Callable[[Request], Awaitable[None]]  # a dependency: raises unless the request may pass

_log = logging.getLogger(__name__)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def require_secret(header: str, secret: str) -> Check:
    """Return a dependency that answers 401 unless ``header`` holds ``secret``.

    Digests are compared, in constant time: neither the secret's text nor its length shows in how
    long an answer takes. The answer does not say what was wrong.
    """
    expected = _digest(secret)
    throttle = Throttle(10.0)

    async def check(request: Request) -> None:
        given = request.headers.get(header, "")
        if hmac.compare_digest(_digest(given), expected):
            return
        held = throttle.admit()
        if held is not None:
            client = request.client.host if request.client else "unknown"
            more = f" ({held} more since the last such line)" if held else ""
            _log.warning("refused %s with a wrong or no %s%s", _printable(client), header, more)
        raise HTTPException(401, "not authorized")

    return check


def _printable(client: str) -> str:
    # X-Forwarded-For is the proxy's word, but a line of ours stays one line whatever it says.
    return ascii(client[:64])
