"""Readiness and watchdog messages to systemd, as sd_notify(3) sends them."""

from __future__ import annotations

import os
import socket


class ServiceNotifier:
    """Speaks to the service manager, or says nothing where there is none."""

    def __init__(self, address: str | None) -> None:
        self._address = address

    @classmethod
    def from_environment(cls) -> ServiceNotifier:
        """Take NOTIFY_SOCKET out of the environment, so that no child process inherits it."""
        return cls(os.environ.pop("NOTIFY_SOCKET", None))

    def ready(self) -> None:
        """Tell systemd that the service has started."""
        self._send("READY=1")

    def status(self, status: str) -> None:
        """Set the line that ``systemctl status`` shows.

        A newline would begin another assignment, such as MAINPID=, in the name of the service.
        """
        self._send("STATUS=" + " ".join(status.splitlines()))

    def watchdog(self) -> None:
        """Tell systemd's watchdog that the service is alive."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Tell systemd that the service is on its way down."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the NUL byte of Linux's abstract namespace: unix(7).
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.connect(address)
                sock.sendall(message.encode())
        except OSError:
            # systemd notices silence by itself; an agent that works must not stop over this.
            return


def watchdog_interval() -> float | None:
    """Return half of WATCHDOG_USEC, in seconds, or None when systemd watches no watchdog.

    sd_watchdog_enabled(3): WATCHDOG_PID, where set, names the process that is meant, and half
    of the interval is the recommended distance between two signs of life.
    """
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or (pid and pid != str(os.getpid())):
        return None
    return int(microseconds) / 2_000_000
