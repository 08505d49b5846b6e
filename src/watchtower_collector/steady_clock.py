"""Whether the clock can be believed: what it decides may be past undoing."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_STEP_SECONDS = 60.0
# A machine that starts with a wrong clock has it set right well within this time.
STEADY_SECONDS = 3_600.0

_log = logging.getLogger(__name__)


def _since_boot() -> float:
    # A suspended machine is no step of its clock.
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SteadyClock:
    """Watches the time of day for steps, which only someone who sets the clock makes."""

    def __init__(
        self,
        time_of_day: Callable[[], float] = time.time,
        since_boot: Callable[[], float] = _since_boot,
    ) -> None:
        """Take two clocks, in seconds; the second goes on evenly, whatever the first is set to."""
        self._time_of_day = time_of_day
        self._since_boot = since_boot
        self._offset = time_of_day() - since_boot()
        self._steady_since = since_boot()

    def is_steady(self) -> bool:
        """Return whether the clock has gone on evenly for an hour. Ask more often than that."""
        now = self._since_boot()
        offset = self._time_of_day() - now
        step, self._offset = offset - self._offset, offset
        if abs(step) > _STEP_SECONDS:
            self._steady_since = now
            _log.warning(
                "the clock of this host was set %s by %.0f s: nothing is deleted by age for an "
                "hour; set it right in that time if it is wrong now",
                "forward" if step > 0 else "back",
                abs(step),
            )
        return now - self._steady_since >= STEADY_SECONDS
