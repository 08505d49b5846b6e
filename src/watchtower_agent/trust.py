"""Which journal entries sshd itself wrote.

Only fields that journald fills in by asking the kernel decide (systemd.journal-fields(7), "Trusted
journal fields"). What a sender can choose, SYSLOG_IDENTIFIER above all, only says what the entry
*claims* to be.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchtower_agent.entry import JournalEntry

# 9.8 split sshd-session off sshd, 10.0 sshd-auth off sshd-session.
SSHD_NAMES = ("sshd", "sshd-session", "sshd-auth")
DEFAULT_SSH_UNITS = ("ssh.service", "sshd.service", "ssh@*.service", "sshd@*.service")

_SSHD_CLAIMS = frozenset(name.encode() for name in SSHD_NAMES)

# Where distributions install them; only root can put a file there.
_SSHD_FOLDERS = (
    "/usr/sbin",
    "/usr/bin",
    "/usr/lib/openssh",
    "/usr/lib/ssh",
    "/usr/libexec",
    "/usr/libexec/openssh",
)
_SSHD_PROGRAMS = {str(PurePosixPath(f, name)) for f in _SSHD_FOLDERS for name in SSHD_NAMES}
# The kernel's word behind the path of a running program whose file an upgrade has replaced.
_DELETED = " (deleted)"


@dataclass(frozen=True)
class SshdTrust:
    """Tells sshd's own entries from entries that only claim to be sshd's."""

    units: tuple[str, ...] = DEFAULT_SSH_UNITS

    def is_genuine(self, entry: JournalEntry) -> bool:
        """Return whether sshd wrote this entry, by what journald says about the sender.

        All of this must hold:

        - It came through the syslog socket, as sshd's syslog(3) does. Over standard output (sshd
          -e) sshd leaves newlines as they are, so a user name could start a line of its own.
        - The sender's real uid was 0. Programs with the set-user-ID bit carry their caller's.
        - Nothing contradicts: neither the program nor the unit is another one. journald leaves
          out what it could no longer look up about a process that had already ended.
        - Something confirms: sshd's program or a unit of sshd's. After pam_systemd has moved the
          process, its unit is the session's scope, which confirms nothing.
        """
        if entry.text("_TRANSPORT") != "syslog" or entry.text("_UID") != "0":
            return False
        unit = entry.text("_SYSTEMD_UNIT")
        unit_confirms = unit is not None and any(fnmatchcase(unit, glob) for glob in self.units)
        if unit is not None and not unit_confirms and not _is_session(unit):
            return False
        program = entry.text("_EXE")
        if program is None:
            command = entry.text("_COMM")
            return unit_confirms and (command is None or command in SSHD_NAMES)
        return program.removesuffix(_DELETED) in _SSHD_PROGRAMS


def claims_sshd(entry: JournalEntry) -> bool:
    """Return whether the entry calls itself sshd's, rightly or not."""
    claims = entry.values("SYSLOG_IDENTIFIER") + entry.values("_COMM")
    return not _SSHD_CLAIMS.isdisjoint(claims)


def _is_session(unit: str) -> bool:
    return fnmatchcase(unit, "session-*.scope")
