"""What ends a command: a sentence for the admin, and an exit status for scripts."""

from __future__ import annotations

# sysexits.h, as far as it has a number for it. docs/operations/watchtowerctl.md has the table.
CHECK_FAILED = 1
USAGE = 2  # Typer's number
REFUSED = 65  # the collector does not understand what was asked
ABSENT = 66  # there is no such event, token or host
UNAVAILABLE = 69
DEFECT = 70
OUTPUT = 74  # it cannot be written
PROTOCOL = 76  # TLS, or an answer that no collector gives
TRY_LATER = 75
NOT_ALLOWED = 77
CONFIGURATION = 78
READER_GONE = 141  # as if SIGPIPE (13) had ended us


class CommandError(Exception):
    """A command cannot go on; the message says why, where, and what to do."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)
