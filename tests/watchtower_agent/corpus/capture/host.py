"""One test host, seen from inside its network: its files, its sshd, its journal."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass

SECONDS = 30
PASSWORD = b"correct horse"  # of every account
# Where sshd's own files are, and what its entries call themselves.
NAMES = {"sshd", "sshd-session", "sshd-auth"}
FIELDS = (
    "SYSLOG_IDENTIFIER",
    "SYSLOG_RAW",
    "PRIORITY",
    "_COMM",
    "_EXE",
    "_SYSTEMD_UNIT",
    "_TRANSPORT",
    "_UID",
)


class HostError(RuntimeError):
    """A command on the host failed; the text says which and how."""


@dataclass
class Host:
    """A container, by the process id of its first process on this machine."""

    pid: int

    def run(self, *command: str, data: bytes = b"", check: bool = True) -> str:
        """Run a command in the container.

        Raises:
            HostError: it failed, and ``check`` is true.
        """
        enter = ("nsenter", "--target", str(self.pid), "--mount", "--uts", "--ipc", "--pid")
        done = subprocess.run(
            [*enter, "--", *command], input=data, capture_output=True, timeout=SECONDS, check=False
        )
        if check and done.returncode:
            raise HostError(f"{command}: {done.returncode}: {done.stderr.decode()}")
        return done.stdout.decode()

    def shell(self, script: str, data: bytes = b"") -> str:
        """Run a script in the container."""
        return self.run("sh", "-euc", script, data=data)

    def write(self, path: str, text: str, mode: str = "0644") -> None:
        """Write a file in the container."""
        self.shell(f"cat >'{path}'; chmod {mode} '{path}'", text.encode())

    def start_sshd(self, config: str) -> None:
        """Start sshd anew with this configuration."""
        self.write("/etc/ssh/sshd_config", config)
        # systemd allows five starts in ten seconds, unless it is told to forget them.
        self.run("systemctl", "reset-failed", "ssh.service")
        self.run("systemctl", "restart", "ssh.service")

    def wait_until_idle(self) -> None:
        """Wait until sshd has nobody to serve.

        Raises:
            HostError: somebody is still there after half a minute.
        """
        listener = self.run("systemctl", "show", "--property=MainPID", "--value", "ssh.service")
        deadline = time.monotonic() + SECONDS
        while self.run("pgrep", "--parent", listener.strip(), check=False):
            if time.monotonic() > deadline:
                raise HostError("sshd is still busy: " + self.run("ps", "axf"))
            time.sleep(0.02)

    def cursor(self) -> str:
        """Return the journal's end."""
        self.run("journalctl", "--sync")
        shown = self.run("journalctl", "--lines=1", "--output=json", "--quiet")
        return json.loads(shown)["__CURSOR"]

    def entries_after(self, cursor: str) -> list[dict]:
        """Return what sshd wrote after a place in the journal."""
        self.run("journalctl", "--sync")
        shown = self.run(
            "journalctl", f"--after-cursor={cursor}", "--output=json", "--all", "--quiet"
        )
        entries = map(json.loads, shown.splitlines())
        return [entry for entry in entries if entry.get("SYSLOG_IDENTIFIER") in NAMES]
