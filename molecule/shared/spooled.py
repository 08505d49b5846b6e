"""What is in the spool of an agent whose collector is away."""

from __future__ import annotations

import json
from typing import Any, Protocol

_PROGRAM = """
import sqlite3
spool = sqlite3.connect("file:/var/lib/watchtower-agent/spool.db?mode=ro", uri=True)
for body, in spool.execute("SELECT body FROM events ORDER BY seq"):
    print(body)
"""


class Host(Protocol):
    """The part of testinfra's host that is needed here."""

    def check_output(self, command: str, *arguments: str) -> str:
        """Run a command that must succeed and return what it printed."""


def spooled(host: Host, **wanted: object) -> list[dict[str, Any]]:
    """Return the events in the agent's spool that have all these values, oldest first."""
    lines = host.check_output("python3 -c %s", _PROGRAM).splitlines()
    events = [json.loads(line) for line in lines]
    return [e for e in events if all(e.get(key) == value for key, value in wanted.items())]


def name_of(host: Host) -> str:
    """Return the host's name."""
    return host.check_output("hostname")


def main_process(host: Host) -> str:
    """Return the agent's process id, "0" if there is none."""
    process: str = host.check_output("systemctl show --property=MainPID --value watchtower-agent")
    return process
