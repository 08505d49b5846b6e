"""su of util-linux as a source of events: 2.36 to 2.41, login-utils/su-common.c."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchtower_agent.event import SU, SU_FAILED
from watchtower_agent.setuid_program import SetuidProgram
from watchtower_agent.statement import Statement

if TYPE_CHECKING:
    from watchtower_agent.entry import JournalEntry

# log_syslog(): "%s(to %s) %s on %s". Both names are of accounts that exist, or the caller's is
# empty. No name has a colon, and no terminal a quotation mark: whoever leads su's standard error
# into the syslog socket gets lines with these, from getopt(3) and err(3), and no others.
_LINE = re.compile(
    r"(?P<failed>FAILED SU )?\(to (?P<names>[^:\n]+\) [^:\n]*) on (?P<tty>[A-Za-z0-9/._-]+)"
)
_BETWEEN_NAMES = ") "
_NO_TERMINAL = "none"


@dataclass(frozen=True)
class Su(SetuidProgram):
    """Tells what su says, and whether it was su that said it."""

    name: str = "su"
    paths: tuple[str, ...] = ("/usr/bin/su", "/bin/su")

    def read(self, message: str, entry: JournalEntry) -> Statement | None:
        """Return what a line of su's says, or None when it is of no kind that makes an event."""
        match = _LINE.fullmatch(message)
        if match is None:
            return None
        event_type = SU_FAILED if match["failed"] else SU
        details = {} if match["tty"] == _NO_TERMINAL else {"tty": match["tty"]}
        target, _, user = match["names"].partition(_BETWEEN_NAMES)
        ambiguous = match["names"].count(_BETWEEN_NAMES) != 1
        if not ambiguous:
            details["target_user"] = target
            if user:
                details["user"] = user
        return self.attribute(Statement(event_type, details, ambiguous), entry)
