"""The programs whose lines become events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watchtower_agent.journald import Journald
from watchtower_agent.sshd import Sshd
from watchtower_agent.su import Su
from watchtower_agent.sudo import Sudo
from watchtower_agent.trust import DEFAULT_SSH_UNITS, SshdTrust

if TYPE_CHECKING:
    from watchtower_agent.statement import Program


def known_programs(ssh_units: tuple[str, ...] = DEFAULT_SSH_UNITS) -> tuple[Program, ...]:
    """Return them all; sshd runs in one of these units."""
    return (Sshd(SshdTrust(ssh_units)), Sudo(), Su(), Journald(ssh_units))
