"""What sudo and su have in common: which journal entries they themselves wrote, and for whom.

They have root's rights and their caller's uid, so the rule for sshd does not fit. Only fields that
journald fills in by asking the kernel decide (systemd.journal-fields(7)).
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from watchtower_agent.event import bounded_text

if TYPE_CHECKING:
    from watchtower_agent.entry import JournalEntry
    from watchtower_agent.event import Detail
    from watchtower_agent.statement import Statement

# What the collector takes of a detail (docs/api/collector-api.md). A byte that is no text takes
# four characters, so that even a line of 960 bytes can hold more.
DETAIL_CHARACTERS = 1024

# What sudo and su use, by its bit in capabilities(7): CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER,
# CAP_KILL, CAP_SETGID, CAP_SETUID. Not "all of them": the bounding set of a container or of a
# service lacks some of the others. A user's process has none, a daemon hardly all of these.
_CAPABILITIES = sum(1 << bit for bit in (0, 1, 3, 5, 6, 7))
# The kernel's word behind the path of a running program whose file an upgrade has replaced.
_DELETED = " (deleted)"
# A container's processes are in a scope of its own: docker-….scope, libpod-….scope,
# machine-….scope. Its root is not this host's.
_OTHERS_UNITS = ("*.scope", "systemd-nspawn@*.service")
_UNITS = ("session-*.scope", "run-*.scope", "init.scope")


@dataclass(frozen=True)
class SetuidProgram:
    """A program that anybody may call and that runs as root.

    Attributes:
        name: its name, and what it calls itself in the log.
        paths: where it is installed; only root can put a file there.
    """

    name: str
    paths: tuple[str, ...]

    def claims(self, entry: JournalEntry) -> bool:
        """Return whether the entry calls itself this program's, rightly or not.

        The program's path counts, too: called through a symbolic link, su up to util-linux 2.38
        logs under the link's name and has it for its _COMM, too.
        """
        names = entry.values("SYSLOG_IDENTIFIER") + entry.values("_COMM")
        return self.name.encode() in names or self._program(entry) in self.paths

    def is_genuine(self, entry: JournalEntry) -> bool:
        """Return whether this program wrote the entry, by what journald says about the sender.

        All of this must hold:

        - It came through the syslog socket, as syslog(3) writes.
        - The sender had the capabilities that such a program has while it works.
        - Its path is one of the program's. When the process had ended before journald looked,
          the path is missing and _COMM, which anybody can choose, must do.
        - It was in no container.

        What is missing counts against it: of a process that was gone altogether when it looked,
        journald knows only the uid, and that could have been logger(1).
        """
        capabilities = _hex(entry.text("_CAP_EFFECTIVE"))
        if entry.text("_TRANSPORT") != "syslog" or _uid(entry) is None:
            return False
        if capabilities & _CAPABILITIES != _CAPABILITIES:
            return False
        unit = entry.text("_SYSTEMD_UNIT") or ""
        if _is_one_of(unit, _OTHERS_UNITS) and not _is_one_of(unit, _UNITS):
            return False
        program = self._program(entry)
        if program is None:
            return entry.text("_COMM") == self.name
        return program in self.paths

    def attribute(self, statement: Statement, entry: JournalEntry) -> Statement:
        """Return a statement with the caller's uid, which the kernel vouches for.

        The caller's name is the program's word alone. That root is uid 0 is known without asking.
        """
        uid = _uid(entry)
        details: dict[str, Detail] = {
            name: bounded_text(value)[:DETAIL_CHARACTERS] if isinstance(value, str) else value
            for name, value in statement.details.items()
        }
        credible = details.get("user") != "root" or uid == 0
        if uid is not None:
            details["uid"] = uid
        return statement._replace(details=details, credible=credible)

    @staticmethod
    def _program(entry: JournalEntry) -> str | None:
        program = entry.text("_EXE")
        return None if program is None else program.removesuffix(_DELETED)


def _uid(entry: JournalEntry) -> int | None:
    """Return the real uid of the sender, from the kernel; None if there is none."""
    uid = entry.text("_UID") or ""
    return int(uid) if uid.isascii() and uid.isdecimal() and len(uid) <= 10 else None


def _hex(text: str | None) -> int:
    """Return the number that _CAP_EFFECTIVE holds; 0 for anything else."""
    try:
        return int(text or "0", 16)
    except ValueError:
        return 0


def _is_one_of(unit: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(unit, pattern) for pattern in patterns)
