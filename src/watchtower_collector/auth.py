"""Who may post events, and who may ask."""

import hmac
import logging
from collections.abc import Sequence

from fastapi import HTTPException
from starlette.requests import Request

from watchtower_collector.addresses import client_address
from watchtower_collector.brake import Brake
from watchtower_collector.logs import Throttle
from watchtower_collector.token_registry import TokenRegistry, digest_of

TOKEN_HEADER = "X-Login-Alert-Token"  # noqa: S105  # the header's name, not a token
ADMIN_HEADER = "X-Admin-Api-Key"

_log = logging.getLogger(__name__)


class _Gate:
    """What the gates do with a secret that is wrong, or with the lack of one.

    Digests are compared, in constant time: neither a secret's text nor its length shows in how
    long an answer takes. The answer does not say what was wrong.

    What is right is let in, however many wrong ones came from the same address: many share one,
    admins above all, whose SSH tunnels end on loopback. So what keeps a guesser out is the length
    of the secrets; slowing down what is wrong spares the log and the processor.
    """

    def __init__(self, header: str) -> None:
        self._header = header
        self._brake = Brake()
        self._line = Throttle(10.0)

    def _refuse(self, request: Request) -> HTTPException:
        """Count a wrong secret; return what it is answered: 401, or 429 after too many."""
        address = client_address(request.scope)
        seconds = self._brake.seconds_to_wait(address)
        if seconds:
            return HTTPException(
                429,
                f"too many requests with a wrong {self._header} came from this address; wait",
                {"Retry-After": str(seconds)},
            )
        self._brake.was_wrong(address)
        held = self._line.admit()
        if held is not None:
            more = f" ({held} more since the last such line)" if held else ""
            _log.warning("refused %s with a wrong or no %s%s", address, self._header, more)
        return HTTPException(401, "not authorized")


class AgentGate(_Gate):
    """Lets agents in: with the token of their host, or with the shared one where there is one."""

    def __init__(self, tokens: TokenRegistry, shared_token: str | None) -> None:
        super().__init__(TOKEN_HEADER)
        self._tokens = tokens
        self._shared = None if shared_token is None else digest_of(shared_token)

    def token_of(self, request: Request) -> bytes | None:
        """Return the digest of the token that a request came with, if any."""
        given = request.headers.get(TOKEN_HEADER)
        # The digest of nothing is no token, whoever made it known as one.
        return digest_of(given) if given else None

    def admit(self, token: bytes | None, request: Request) -> frozenset[str] | None:
        """Return the host names that whoever asks may speak for; ``None`` stands for all.

        Raises:
            HTTPException: 401 the token is wrong or missing; 429 too many were.
        """
        if token is None:
            raise self._refuse(request)
        if self._shared is not None and hmac.compare_digest(token, self._shared):
            return None
        names = self._tokens.names(token)
        if not names:
            raise self._refuse(request)
        return names


class AdminGate(_Gate):
    """Lets admins in; a FastAPI dependency. Two keys are good while one replaces the other."""

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        """Take pairs of a key and its name, which goes into the audit trail."""
        super().__init__(ADMIN_HEADER)
        self._keys = [(digest_of(key), name) for key, name in keys]

    async def __call__(self, request: Request) -> None:
        """Let the request pass, and note with which key.

        Raises:
            HTTPException: 401 the key is wrong or missing; 429 too many were.
        """
        digest = digest_of(request.headers.get(ADMIN_HEADER, ""))
        # All are compared, whichever it is.
        right = [name for key, name in self._keys if hmac.compare_digest(digest, key)]
        if not right:
            raise self._refuse(request)
        request.state.admin_key = right[0]


class MetricsGate(_Gate):
    """Lets in who watches the collector: with a key of its own as bearer token, or as an admin.

    Prometheus can send a bearer token (RFC 6750) everywhere, and should hold no admin key.
    """

    def __init__(self, key: str | None, admin: AdminGate) -> None:
        super().__init__("Authorization")
        self._key = None if key is None else digest_of(key)
        self._admin_gate = admin

    async def __call__(self, request: Request) -> None:
        """Let the request pass.

        Raises:
            HTTPException: 401 the key is wrong or missing; 429 too many were.
        """
        digest = digest_of(_bearer(request))
        if self._key is not None and hmac.compare_digest(digest, self._key):
            return
        if self._key is None or ADMIN_HEADER in request.headers:
            await self._admin_gate(request)
            return
        raise self._refuse(request)


def _bearer(request: Request) -> str:
    """Return the bearer token of a request, or nothing."""
    # The name of a scheme is the same in upper and lower case (RFC 9110, section 11.1).
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip(" ") if scheme.lower() == "bearer" else ""
