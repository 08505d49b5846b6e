"""Rings when the journal may hold something new."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from watchtower_agent.journalctl import Journalctl, JournalError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchtower_agent.wakeup import Wakeup

log = logging.getLogger(__name__)

# A follower that ends at once, each time, is started again at this distance.
_RESTART_SECONDS = 10.0


class Doorbell:
    """A ``journalctl --follow`` of which only the fact that it printed something is used.

    Following has lost entries in many ways: --follow implies --boot on systemd 250 to 257
    (systemd#21711), the first entry of a boot is missed (systemd#38912), a rotated or vacuumed
    file ends or silences it (systemd#36247, #43649). A doorbell can do no such harm: entries
    are read elsewhere, from the cursor, and when it fails to ring they are read a little later.
    """

    def __init__(self, arguments: Sequence[str], stop: Wakeup) -> None:
        self._arguments = ("--follow", "--lines=1", "--output=cat", "--quiet", *arguments)
        self._stop = stop
        self._child: Journalctl | None = None
        self._restart_at = 0.0
        self._said = False

    def wait(self, seconds: float) -> bool:
        """Wait for a ring, at most so long; return whether it rang.

        It rings once when it has started, if the journal holds an entry at all: what was written
        before the follower looked has to be read, too.

        Raises:
            StoppedError: the agent is to stop.
        """
        child = self._running_child()
        if child is None:
            pause = min(seconds, max(0.0, self._restart_at - time.monotonic()))
            self._stop.wait(pause)
            return False
        try:
            output = child.read(seconds)
        except JournalError as error:
            self._say(str(error))
            self.replace()
            return False
        if output is None:
            return False
        if output:
            self._said = False
            return True
        self._say("it ended")
        self.replace()
        return False

    def replace(self) -> None:
        """Stop the follower; the next wait starts another one."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def _running_child(self) -> Journalctl | None:
        if self._child is None and time.monotonic() >= self._restart_at:
            self._restart_at = time.monotonic() + _RESTART_SECONDS
            try:
                self._child = Journalctl(self._arguments, self._stop)
            except JournalError as error:
                self._say(str(error))
        return self._child

    def _say(self, reason: str) -> None:
        """Log a failure once, until it has rung again."""
        if not self._said:
            log.warning(
                "The journal cannot be followed: %s. It is tried again every %d seconds, and the "
                "journal is read without it meanwhile.",
                reason,
                _RESTART_SECONDS,
            )
            self._said = True
