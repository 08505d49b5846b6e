"""Slows down who tries one wrong secret after another."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BURST = 10  # wrong secrets that an address may show at once
SECONDS_EACH = 5.0  # after which it may show another one
_ADDRESSES = 10_000  # remembered at the same time
_PROVEN = 1_000  # pairs of address and secret that were right before


class Brake:
    """Counts wrong secrets for each address, an IPv6 network of 64 bits being one.

    Who has used them up is turned away unlooked at, so that guesses from one address are bounded
    in their rate. Whoever shows a secret that was right before, from where it was right, is not
    concerned, whoever else guesses from that address.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # For each address the moment at which all its tries are given back.
        self._whole_at: OrderedDict[str, float] = OrderedDict()
        self._proven: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    def seconds_to_wait(self, address: str, digest: bytes) -> int:
        """Return 0 if this secret may be looked at, else after how many seconds another may."""
        if (address, digest) in self._proven:
            return 0
        owed = self._whole_at.get(_network(address), 0.0) - self._clock()
        return max(0, math.ceil(owed - (BURST - 1) * SECONDS_EACH))

    def was_right(self, address: str, digest: bytes) -> None:
        """Remember a secret that was right."""
        self._proven[address, digest] = None
        self._proven.move_to_end((address, digest))
        if len(self._proven) > _PROVEN:
            self._proven.popitem(last=False)

    def was_wrong(self, address: str) -> None:
        """Count a secret that was wrong."""
        network = _network(address)
        now = self._clock()
        self._whole_at[network] = max(now, self._whole_at.get(network, now)) + SECONDS_EACH
        self._whole_at.move_to_end(network)
        if len(self._whole_at) > _ADDRESSES:
            self._whole_at.popitem(last=False)


def _network(address: str) -> str:
    """Return what one party can easily have many addresses of."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(ip_network((int(parsed), 64), strict=False))
    return address
