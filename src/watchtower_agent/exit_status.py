"""What the agent's exit statuses mean: sysexits.h where it has a number for it, else its own."""

from __future__ import annotations

WELL = 0
DEFECT = 1
USAGE = 2  # argparse's number
NOT_RUNNING = 3  # systemctl status has the same number for it
NOT_READING = 4
NOT_SENDING = 5
ATTENTION = 6
CHECK_FAILED = 7
DATA = 65
NO_INPUT = 66
UNAVAILABLE = 69
OUTDATED = 70
INCOMPLETE = 72
SPOOL = 73
NOT_ALLOWED = 77
SETTINGS = 78

# docs/operations/agent-manual.md has the same table, with what to do.
MEANINGS = {
    WELL: "all is well",
    DEFECT: "a part of the agent has failed; the journal has the traceback",
    USAGE: "the command line is wrong",
    NOT_RUNNING: "the service does not run",
    NOT_READING: "the journal is not read",
    NOT_SENDING: "the collector does not take events",
    ATTENTION: "the agent works, and something needs a look",
    CHECK_FAILED: "at least one check failed",
    DATA: "a line to parse is no journal entry",
    NO_INPUT: "the file to parse cannot be read",
    UNAVAILABLE: "python3-requests is missing",
    OUTDATED: "the spool was written by a later version of the agent",
    INCOMPLETE: "the installation is incomplete",
    SPOOL: "the spool cannot be used",
    NOT_ALLOWED: "only root may ask",
    SETTINGS: "a setting is missing or wrong",
}
