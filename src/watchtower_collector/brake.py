"""Slows down who shows one wrong secret after another."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from watchtower_collector.addresses import is_mapped, sortable_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

BURST = 10  # wrong secrets that an address may show at once
SECONDS_EACH = 5.0  # after which it may show another one
_PARTIES = 10_000  # remembered at the same time
_NETWORK_BYTES = 8  # of an IPv6 address: what one party can easily have many addresses of


class Brake:
    """Counts wrong secrets for each address, an IPv6 network of 64 bits being one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # For each party the moment at which all its tries are given back.
        self._whole_at: OrderedDict[bytes, float] = OrderedDict()

    def seconds_to_wait(self, address: str) -> int:
        """Return 0 if it may show another wrong secret now, else after how many seconds."""
        owed = self._whole_at.get(_party(address), 0.0) - self._clock()
        return max(0, math.ceil(owed - (BURST - 1) * SECONDS_EACH))

    def was_wrong(self, address: str) -> None:
        """Count a secret that was wrong."""
        party = _party(address)
        now = self._clock()
        self._whole_at[party] = max(now, self._whole_at.get(party, now)) + SECONDS_EACH
        self._whole_at.move_to_end(party)
        if len(self._whole_at) > _PARTIES:
            self._whole_at.popitem(last=False)


def _party(address: str) -> bytes:
    """Return whom an address belongs to; all that is no address is one party."""
    # Never the text itself: over loopback it is the client's own, and may be long.
    parsed = sortable_bytes(address) or b""
    return parsed if is_mapped(parsed) else parsed[:_NETWORK_BYTES]
