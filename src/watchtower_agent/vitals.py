"""What the agent knows about itself, for its heartbeats and for whoever asks on the host.

The latter read it from a file in the service's RuntimeDirectory: memory, not disk, so that it can
be written at each answer of the collector's and costs an idle host nothing.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

from watchtower_agent.installation import RELEASE
from watchtower_agent.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from watchtower_agent.counters import Counters
    from watchtower_agent.notify import ServiceNotifier

FILE_NAME = "vitals.json"
_FILE_BYTES = 64 * 1024


class Vitals:
    """Written by the agent's threads, each its own part.

    Attributes:
        reading: what keeps the agent from reading the journal.
        sending: what keeps it from handing in events.
        counters: what has passed since the start.
        clock_offset_seconds: see clock.clock_offset; None before the first answer.
        acknowledged_at: when the collector last took anything, in seconds since 1970.
    """

    def __init__(self, version: str, counters: Counters, reading: Trouble) -> None:
        self.version = version
        self.counters = counters
        self.reading = reading
        self.sending = Trouble()
        self.started_at = time.time()
        self.acknowledged_at: float | None = None
        self.clock_offset_seconds: int | None = None
        self._started = time.monotonic()
        self._changed: Callable[[], None] | None = None

    def tell(self, changed: Callable[[], None]) -> None:
        """Call this whenever there is news."""
        self._changed = self.reading.changed = self.sending.changed = changed

    def acknowledged(self, clock_offset_seconds: int | None) -> None:
        """Note that the collector took what it was sent."""
        self.acknowledged_at = time.time()
        if clock_offset_seconds is not None:
            self.clock_offset_seconds = clock_offset_seconds
        if self._changed is not None:
            self._changed()

    def uptime(self) -> int:
        """Return the whole seconds since the start, whatever the clock did since."""
        return int(time.monotonic() - self._started)


class Bulletin:
    """Publishes vitals on the host: as a file, and in the line that ``systemctl status`` shows."""

    def __init__(
        self, vitals: Vitals, notifier: ServiceNotifier, well: str, directory: Path | None
    ) -> None:
        """Publish into a directory, or nowhere; ``well`` is the status line of good days."""
        self._vitals = vitals
        self._notifier = notifier
        self._well = well
        self._directory = directory
        self._status = ""
        self._lock = threading.Lock()

    def publish(self) -> None:
        """Publish what has changed. A file that cannot be written is no reason to stop."""
        with self._lock:
            status = self._vitals.reading.text or self._vitals.sending.text or self._well
            if status != self._status:
                self._notifier.status(status)
                self._status = status
            if self._directory is not None:
                with suppress(OSError):
                    self._write(self._directory)

    def _write(self, directory: Path) -> None:
        vitals = self._vitals
        content = {
            "pid": os.getpid(),
            "version": vitals.version,
            "release": str(RELEASE),
            "started_at": vitals.started_at,
            "acknowledged_at": vitals.acknowledged_at,
            "reading_trouble": vitals.reading.text,
            "reading_trouble_since": vitals.reading.since,
            "sending_trouble": vitals.sending.text,
            "sending_trouble_since": vitals.sending.since,
            "clock_offset_seconds": vitals.clock_offset_seconds,
            **asdict(vitals.counters),
        }
        fresh = directory / f"{FILE_NAME}.new"
        fresh.write_text(json.dumps(content), encoding="ascii")
        fresh.replace(directory / FILE_NAME)


class PublishedVitals:
    """What a running or former agent published; what it did not is None or empty."""

    def __init__(self, content: dict[str, object]) -> None:
        self._content = content

    def number(self, name: str) -> float | None:
        """Return a number, if there is one of this name."""
        value = self._content.get(name)
        if isinstance(value, (int, float)) and math.isfinite(value):
            return value
        return None

    def text(self, name: str) -> str:
        """Return a text, if there is one of this name."""
        value = self._content.get(name)
        return value if isinstance(value, str) else ""


def read_vitals(directory: Path) -> PublishedVitals | None:
    """Return what was published last, or None when there is nothing to be understood.

    Raises:
        PermissionError: whoever asks may not know.
    """
    try:
        with (directory / FILE_NAME).open("rb") as file:
            content = json.loads(file.read(_FILE_BYTES))
    except PermissionError:
        raise
    except (OSError, ValueError, RecursionError):
        return None
    return PublishedVitals(content) if isinstance(content, dict) else None
