"""Notes every request that an admin key let pass."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from watchtower_collector.store.audit import note
from watchtower_collector.timestamps import now_us

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from watchtower_collector.writer import Writer

# Agents, load balancers and Prometheus: several times a minute each, and nothing of anybody's.
NOT_NOTED = frozenset({"/login", "/healthz", "/metrics"})
_MAX_TEXT = 2_048  # characters of a path or a query

_log = logging.getLogger(__name__)


class AuditTrail:
    """ASGI middleware. An entry is handed to the writer when the answer begins.

    The answer does not wait for it: whoever asks while the disk is full must still be answered.
    An entry that cannot be stored is in the log, like every other.
    """

    def __init__(self, app: ASGIApp, writer: Writer) -> None:
        self._app = app
        self._writer = writer
        self._storing: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note its answer's status."""
        if scope["type"] != "http" or scope["path"] in NOT_NOTED:
            await self._app(scope, receive, send)
            return

        began = False

        async def noting(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = True
                self._note(scope, message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            if not began:
                self._note(scope, 500)  # what it is answered further out
            raise

    def _note(self, scope: Scope, status: int) -> None:
        state = scope.get("state", {})
        key = state.get("admin_key")
        if key is None:
            return
        client = scope["client"]
        entry = {
            "at": now_us(),
            "key": key,
            "address": client[0] if client else "unknown",
            "method": scope["method"],
            "path": scope["path"][:_MAX_TEXT],
            "query": scope["query_string"].decode("ascii", "replace")[:_MAX_TEXT],
            "status": status,
            "detail": state.get("audit_detail"),
        }
        storing = asyncio.create_task(self._store(entry))
        self._storing.add(storing)
        storing.add_done_callback(self._storing.discard)

    async def _store(self, entry: dict[str, Any]) -> None:
        try:
            await self._writer.call(lambda connection: note(connection, entry))
        except Exception as error:  # noqa: BLE001  # there is nobody else to tell
            _log.error("an entry of the audit trail is not stored (%s): %r", error, entry)
