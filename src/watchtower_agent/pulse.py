"""Whether a thread still does its work."""

from __future__ import annotations

import time


class Pulse:
    """A thread beats; whoever watches it asks how long ago the last beat was."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def beat(self) -> None:
        """Say that the work goes on."""
        self._last = time.monotonic()

    def age(self) -> float:
        """Return the seconds since the last beat."""
        return time.monotonic() - self._last
