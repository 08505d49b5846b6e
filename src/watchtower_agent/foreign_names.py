"""Host names that the collector does not let the agent's token speak for."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchtower_agent.spool import SpooledEvent


class ForeignNames:
    """Names whose events are held back, so that one of them does not hold up all others.

    The collector refuses a request as a whole, and may take a name later: it is asked again.
    """

    def __init__(self) -> None:
        self._ask_at: dict[str, float] = {}

    def __bool__(self) -> bool:
        """Return whether there is any."""
        return bool(self._ask_at)

    def held_back(self) -> list[str]:
        """Return the names that the collector is not to be asked about now."""
        now = time.monotonic()
        return [name for name, ask_at in self._ask_at.items() if ask_at > now]

    def ask_in(self) -> float:
        """Return the seconds until the collector is to be asked about one, or infinity."""
        return min(self._ask_at.values(), default=math.inf) - time.monotonic()

    def hold_back(self, event: SpooledEvent, seconds: float) -> bool:
        """Hold back what carries an event's name; return whether it was not held back before."""
        name = _hostname(event)
        is_news = name not in self.held_back()
        self._ask_at[name] = time.monotonic() + seconds
        return is_news

    def forget(self, batch: Sequence[SpooledEvent]) -> None:
        """Forget the names of a batch that was taken; of an empty one all that are not held."""
        names = {_hostname(event) for event in batch} if self._ask_at else set()
        kept = self._ask_at if batch else self.held_back()
        self._ask_at = {name: self._ask_at[name] for name in kept if name not in names}


def _hostname(event: SpooledEvent) -> str:
    return str(json.loads(event.body).get("hostname"))
