"""Bounded room that all senders share, and of which one of them may take its part only."""

from __future__ import annotations

import collections
from collections.abc import Hashable

Sender = Hashable | None  # the names of a host; None for the token that all share, and for admins


class QueueFullError(Exception):
    """All the room is taken; ask again in a moment."""


class TooMuchAtOnceError(Exception):
    """One host has too much on its way; ask again in a moment."""


class Room:
    """Counts what is held of all and of each sender: bytes, events, whatever it is room for."""

    def __init__(self, size: int, of_one: int) -> None:
        """Let all together hold up to ``size``, and one host up to ``of_one``."""
        self._size = size
        self._of_one = of_one
        self._held = 0
        self._held_of: collections.Counter[Sender] = collections.Counter()

    @property
    def held(self) -> int:
        """How much is held now."""
        return self._held

    def take(self, amount: int, sender: Sender) -> None:
        """Count ``amount`` as held.

        A host of which nothing is held may take more than its part, if there is room: it could
        never do so otherwise.

        Raises:
            TooMuchAtOnceError: the sender holds too much already; nothing was counted.
            QueueFullError: all hold too much already; nothing was counted.
        """
        own = 0 if sender is None else self._held_of[sender]
        if own and own + amount > self._of_one:
            raise TooMuchAtOnceError
        if self._held + amount > self._size:
            raise QueueFullError
        self._held += amount
        self._held_of[sender] += amount

    def give_back(self, amount: int, sender: Sender) -> None:
        """Count ``amount`` no longer."""
        self._held -= amount
        self._held_of[sender] -= amount
        if not self._held_of[sender]:
            del self._held_of[sender]
