"""The tokens of single hosts in memory, so that a request costs no query."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from watchtower_collector.room import QueueFullError
from watchtower_collector.store import StoreUnavailableError
from watchtower_collector.store.tokens import Token, all_tokens, note_use
from watchtower_collector.timestamps import now_us

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watchtower_collector.store import EventStore
    from watchtower_collector.writer import Writer

_log = logging.getLogger(__name__)
_NOTE_SECONDS = 60.0  # how often the moments of last use are stored


def digest_of(secret: str) -> bytes:
    """Return the SHA-256 of a secret: they are random and long, so no slower hash is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


class TokenRegistry:
    """All tokens of single hosts, by digest. Touched by the event loop only."""

    def __init__(self, store: EventStore) -> None:
        """Read the tokens of ``store``.

        Raises:
            StoreUnavailableError: it cannot be read.
        """
        self._tokens: dict[int, Token] = {}
        self._by_digest: dict[bytes, dict[int, Token]] = {}
        self._used: dict[int, int] = {}
        self.take(store.read(all_tokens))

    def take(self, tokens: Iterable[Token]) -> None:
        """Take over what the store has now of these tokens."""
        for token in tokens:
            self._tokens[token.id] = token
            self._by_digest.setdefault(token.digest, {})[token.id] = token

    def all(self) -> list[Token]:
        """Return every token, in the order of their making."""
        return [self._tokens[token] for token in sorted(self._tokens)]

    def names(self, digest: bytes) -> frozenset[str]:
        """Return the host names that a token may speak for; none for an unknown token.

        The lookup is by digest: how long it takes tells nothing about any token.
        """
        bound = self._by_digest.get(digest)
        if bound is None:
            return frozenset()
        now = now_us()
        good = [token for token in bound.values() if token.is_good(now)]
        for token in good:
            self._used[token.id] = now
        return frozenset(token.hostname for token in good)

    def last_used(self, token: Token) -> int | None:
        """Return when a token was last used, in microseconds since 1970."""
        return self._used.get(token.id, token.last_used_at)

    async def note_uses(self, writer: Writer) -> None:
        """Store the moments of last use, again and again, until cancelled."""
        while True:
            await asyncio.sleep(_NOTE_SECONDS)
            await self.note_use(writer)

    async def note_use(self, writer: Writer) -> None:
        """Store the moments of last use that are not stored yet; those that cannot be, later."""
        used, self._used = self._used, {}
        if not used:
            return
        try:
            await writer.call(lambda connection: note_use(connection, used))
        except Exception as error:  # noqa: BLE001  # the collector goes on without
            self._used = used | self._used
            if not isinstance(error, StoreUnavailableError | QueueFullError):
                _log.exception("a defect in the collector; the tokens' last uses are not stored")
            return  # of the others the writer has said what is wrong
        self.take(replace(self._tokens[token], last_used_at=at) for token, at in used.items())
