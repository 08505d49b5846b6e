"""sudo as a source of events: 1.9.5p2 to 1.9.16p2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchtower_agent.setuid_program import SetuidProgram
from watchtower_agent.sudo_json import COOKIE, read_sudo_json
from watchtower_agent.sudo_lines import read_sudo_line

if TYPE_CHECKING:
    from watchtower_agent.entry import JournalEntry
    from watchtower_agent.statement import Statement

# syslog(3): emerg, alert, crit and err. sudo logs what it refuses, and what goes wrong, as alert,
# and what it allows as notice (syslog_badpri and syslog_goodpri in sudoers(5)).
_BAD_PRIORITIES = ("0", "1", "2", "3")


@dataclass(frozen=True)
class Sudo(SetuidProgram):
    """Tells what sudo says, and whether it was sudo that said it."""

    name: str = "sudo"
    paths: tuple[str, ...] = ("/usr/bin/sudo", "/bin/sudo")

    def read(self, message: str, entry: JournalEntry) -> Statement | None:
        """Return what a line of sudo's says."""
        allowed = entry.text("PRIORITY") not in _BAD_PRIORITIES
        read = read_sudo_json if message.startswith(COOKIE) else read_sudo_line
        statement = read(message, allowed=allowed)
        return None if statement is None else self.attribute(statement, entry)
