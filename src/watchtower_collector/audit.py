"""Notes every request that an admin key let pass."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from watchtower_collector.addresses import client_address
from watchtower_collector.store.audit import note
from watchtower_collector.timestamps import now_us

if TYPE_CHECKING:
    from starlette.types import Scope

    from watchtower_collector.writer import Writer

# Prometheus asks several times a minute, and for nothing of anybody's.
NOT_NOTED = frozenset({"/metrics"})
_MAX_TEXT = 2_048  # characters of a path or a query

_log = logging.getLogger(__name__)


class AuditTrail:
    """Hands an entry to the writer for each request of an admin, when its answer begins.

    The answer does not wait for it: whoever asks while the disk is full must still be answered.
    An entry that cannot be stored is in the log, like every other.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._storing: set[asyncio.Task[None]] = set()

    def answered(self, scope: Scope, status: int) -> None:
        """Note the answer to a request, if an admin key let it pass."""
        state = scope.get("state", {})
        key = state.get("admin_key")
        if key is None or scope["path"] in NOT_NOTED:
            return
        entry = {
            "at": now_us(),
            "key": key,
            "address": client_address(scope),
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
