"""What a line of sshd's says.

The tables of format strings are in ``sshd_authentication`` and ``sshd_connection``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from watchtower_agent.sshd_authentication import AUTHENTICATION
from watchtower_agent.sshd_connection import CONNECTION
from watchtower_agent.sshd_session import SESSION

if TYPE_CHECKING:
    from watchtower_agent.sshd_family import SshdFamily
    from watchtower_agent.statement import Statement

FAMILIES = (*AUTHENTICATION, *CONNECTION, *SESSION)


def _by_first_word() -> dict[str, tuple[SshdFamily, ...]]:
    """Return the families by a line's first word; under "" those with an unknown first word.

    The order of FAMILIES stays: an unknown first word is looked at under each word, too.
    """
    words = {word for family in FAMILIES for word in family.first_words}
    return {
        word: tuple(f for f in FAMILIES if word in f.first_words or "" in f.first_words)
        for word in words | {""}
    }


_BY_FIRST_WORD = _by_first_word()
# log.c, do_log(): syslog(pri, "%.500s", fmtbuf). A line of this length may have lost its end.
CUT_LINE_BYTES = 500
# log.c, do_log(): of the levels that sshd logs by default, two go before the message.
_LEVEL = re.compile("(?:error|fatal): ")
# monitor.c, monitor_read_log(): what the process without privileges says gets one of these.
_CHILD_MARKS = (" [preauth]", " [postauth]")


def read_sshd_line(line: str) -> Statement | None:
    """Return what a line of sshd's says, or None when it is of no kind that makes an event.

    sshd's monitor marks the words of its unprivileged child. A child taken over by an attacker
    can say anything; what only the monitor can know is not credible from it.
    """
    mark = next((mark for mark in _CHILD_MARKS if line.endswith(mark)), "")
    said = line[: len(line) - len(mark)]
    prefix = _LEVEL.match(said)
    level = prefix.group() if prefix else ""
    said = said[len(level) :]
    cut = len(line.encode("utf-8", "replace")) >= CUT_LINE_BYTES
    for family in _candidates(said):
        statement = family.read(said, level, from_child=bool(mark), cut=cut)
        if statement is not None:
            return statement
    return None


def _candidates(line: str) -> tuple[SshdFamily, ...]:
    return _BY_FIRST_WORD.get(line.partition(" ")[0]) or _BY_FIRST_WORD[""]
