"""How long to wait before trying again."""

from __future__ import annotations

import random

FIRST_SECONDS = 1.0
CAP_SECONDS = 60.0

jitter = random.SystemRandom().uniform


class Backoff:
    """Exponential backoff with full jitter, so that a fleet does not come back all at once.

    The wait is drawn evenly from 0 to the current bound; the bound doubles with each failure.
    """

    def __init__(self) -> None:
        self._failures = 0

    def reset(self) -> None:
        """Begin anew after a success."""
        self._failures = 0

    def next_wait(self) -> float:
        """Return the next wait in seconds."""
        bound = min(CAP_SECONDS, FIRST_SECONDS * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return jitter(0, bound)
