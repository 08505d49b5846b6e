"""What the agent says about itself, on standard error, for its own journal."""

from __future__ import annotations

import logging
import os
import sys

# sd-daemon(3): a line that starts with <N> gets syslog priority N.
_SYSLOG_PRIORITY = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.DEBUG, 7),
)


class _PriorityFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        priority = next((p for level, p in _SYSLOG_PRIORITY if record.levelno >= level), 7)
        # Every line needs its own prefix, or a traceback would lose its priority after line one.
        return "\n".join(f"<{priority}>{line}" for line in text.splitlines())


def complain(log: logging.Logger, message: str, *arguments: object) -> None:
    """Log an error that a sentence explains; a traceback would only hide the sentence."""
    log.error(message, *arguments)


def set_up_logging() -> None:
    """Log to standard error; with sd-daemon(3) priorities when standard error is the journal."""
    handler = logging.StreamHandler(sys.stderr)
    under_systemd = "JOURNAL_STREAM" in os.environ
    handler.setFormatter(_PriorityFormatter() if under_systemd else logging.Formatter())
    root = logging.getLogger("watchtower_agent")
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False
