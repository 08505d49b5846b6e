"""What systemd says about the agent's service."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from watchtower_agent.exit_status import MEANINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = "systemctl"
UNIT = "watchtower-agent.service"
_PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "MainPID",
    "ExecMainCode",
    "ExecMainStatus",
    "StateChangeTimestamp",
    "User",
    "SupplementaryGroups",
    "Environment",
)
_SECONDS = 10.0
_EXITED = "1"  # CLD_EXITED, waitid(2)


@dataclass(frozen=True)
class Service:
    """Properties of the unit: systemctl(1), ``show``."""

    properties: Mapping[str, str]

    @property
    def is_installed(self) -> bool:
        """Whether systemd knows the unit."""
        return self.properties.get("LoadState") == "loaded"

    @property
    def is_running(self) -> bool:
        """Whether the service has started and still runs."""
        return self.properties.get("ActiveState") == "active"

    @property
    def is_tried_again(self) -> bool:
        """Whether systemd waits to start it anew."""
        return self.properties.get("SubState", "").startswith("auto-restart")

    @property
    def is_enabled(self) -> bool:
        """Whether it starts with the host."""
        return self.properties.get("UnitFileState") in ("enabled", "enabled-runtime")

    @property
    def pid(self) -> int:
        """The main process, or 0."""
        return int(self.properties.get("MainPID") or 0)

    @property
    def user(self) -> str:
        """The name of the user it runs as, or an empty text for root."""
        return self.properties.get("User", "")

    @property
    def groups(self) -> list[str]:
        """The names of the groups it gets beside its user's own."""
        return self.properties.get("SupplementaryGroups", "").split()

    @property
    def environment(self) -> dict[str, str]:
        """What the unit itself sets, a drop-in's proxy for example."""
        assignments = shlex.split(self.properties.get("Environment", ""))
        return dict(a.split("=", 1) for a in assignments if "=" in a)

    @property
    def changed_at(self) -> float | None:
        """When it came into its present state, in seconds since 1970."""
        try:
            stamp = self.properties.get("StateChangeTimestamp", "")
            moment = datetime.strptime(f"{stamp} +0000", "%a %Y-%m-%d %H:%M:%S UTC %z")
        except ValueError:
            return None
        return moment.timestamp()

    def last_end(self) -> str:
        """Return how the last process failed, in words; empty if none did."""
        code, status = self.properties.get("ExecMainCode"), self.properties.get("ExecMainStatus")
        if code == _EXITED:
            number = int(status or 0)
            meaning = MEANINGS.get(number, "unknown to this version")
            return f"exit status {number}: {meaning}" if number else ""
        return "" if code in (None, "", "0") else f"ended by signal {status}"


def read_service() -> Service | None:
    """Ask systemd about the unit; None where there is no systemd to be asked."""
    try:
        done = subprocess.run(
            [PROGRAM, "show", UNIT, f"--property={','.join(_PROPERTIES)}"],
            capture_output=True,
            text=True,
            check=True,
            timeout=_SECONDS,
            # The times are read by strptime, which knows no other language and zone.
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return Service(dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line))
