"""Log lines on standard error: JSON for the journal, words for a terminal."""

from __future__ import annotations

import json
import logging
import os
import time

from watchtower_collector.timestamps import format_rfc3339

# sd-daemon(3): "<N>" at the start of a line sets its priority, N as in syslog(3).
_PRIORITIES = (
    (logging.CRITICAL, "<2>"),
    (logging.ERROR, "<3>"),
    (logging.WARNING, "<4>"),
    (logging.INFO, "<6>"),
)


class _JournalFormatter(logging.Formatter):
    """One JSON object a line, whatever the message holds, behind its priority."""

    def format(self, record: logging.LogRecord) -> str:
        priority = next((p for level, p in _PRIORITIES if record.levelno >= level), "<7>")
        line = {
            "time": format_rfc3339(int(record.created * 1_000_000)),
            "level": record.levelname.lower(),
            "source": record.name.removeprefix("watchtower_collector."),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return priority + json.dumps(line)


def configure_logging() -> None:
    """Send log lines to standard error; as JSON, with priorities, where that is the journal.

    systemd sets ``JOURNAL_STREAM`` where standard error goes to the journal (systemd.exec(5)).
    """
    handler = logging.StreamHandler()
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(_JournalFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # uvicorn reports each step of its start and stop at INFO, where ours say it in fewer lines. It
    # warns of each request that is none, and those anybody may send as often as they like.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)


class Throttle:
    """Lets one line through in ``seconds``, and counts what it held back."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0
        self._held = 0

    def admit(self) -> int | None:
        """Return how many were held back since the last line, or ``None`` to hold this one."""
        now = time.monotonic()
        if now < self._next:
            self._held += 1
            return None
        held, self._held = self._held, 0
        self._next = now + self._seconds
        return held
