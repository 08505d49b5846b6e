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


def _by_beginning() -> dict[tuple[str, str], tuple[SshdFamily, ...]]:
    """Return the families by a line's level and first word, "" for those of any first word.

    The order of FAMILIES stays: those of any first word are looked at under each word, too.
    """
    beginnings = {(family.level, word) for family in FAMILIES for word in family.first_words}
    return {
        (level, word): tuple(
            f for f in FAMILIES if f.level == level and not f.first_words.isdisjoint((word, ""))
        )
        for level, word in beginnings | {(family.level, "") for family in FAMILIES}
    }


_BY_BEGINNING = _by_beginning()
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
    from_child = line.endswith(_CHILD_MARKS)
    said = line[: line.rindex(" [")] if from_child else line
    prefix = _LEVEL.match(said)
    level = prefix.group() if prefix else ""
    said = said[len(level) :]
    cut = len(line if line.isascii() else line.encode("utf-8", "replace")) >= CUT_LINE_BYTES
    word = said.partition(" ")[0]
    for family in _BY_BEGINNING.get((level, word)) or _BY_BEGINNING[level, ""]:
        statement = family.read(said, from_child=from_child, cut=cut)
        if statement is not None:
            return statement
    return None
