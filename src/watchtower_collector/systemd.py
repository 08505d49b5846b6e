"""What systemd hands to a service and wants to hear from it, without a dependency."""

from __future__ import annotations

import logging
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

LISTEN_FDS_START = 3  # sd_listen_fds(3): SD_LISTEN_FDS_START

_log = logging.getLogger(__name__)


class ActivationError(Exception):
    """The socket that systemd handed over cannot be used."""


def inherited_listener(environment: MutableMapping[str, str]) -> socket.socket | None:
    """Return the one listening socket that systemd passed, or ``None`` when it passed none.

    The variables of sd_listen_fds(3) are removed from ``environment``.

    Raises:
        ActivationError: more than one socket, or one that is not a listening stream socket.
    """
    pid = environment.pop("LISTEN_PID", "")
    count = environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or count in {"", "0"}:
        return None
    if count != "1":
        raise ActivationError(
            f"systemd passed {count} sockets, the collector takes one: leave a single "
            "ListenStream= in watchtower-collector.socket"
        )
    os.set_inheritable(LISTEN_FDS_START, False)
    listener = socket.socket(fileno=LISTEN_FDS_START)
    listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if listener.type != socket.SOCK_STREAM or not listening:
        raise ActivationError(
            "the socket that systemd passed is not a listening stream socket: use ListenStream= "
            "and Accept=no in watchtower-collector.socket"
        )
    return listener


class Notifier:
    """Tells the service manager how the service is (sd_notify(3)); silent where there is none."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        address = environment.pop("NOTIFY_SOCKET", "")
        # sd_notify(3): a leading "@" stands for the null byte of an abstract socket.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog_us = environment.pop("WATCHDOG_USEC", "")
        self._watchdog_pid = environment.pop("WATCHDOG_PID", str(os.getpid()))

    def watchdog_seconds(self) -> float | None:
        """Return the watchdog's period in seconds, or ``None`` (sd_watchdog_enabled(3))."""
        if not self._watchdog_us.isdigit() or self._watchdog_pid != str(os.getpid()):
            return None
        return int(self._watchdog_us) / 1_000_000

    def send(self, state: str) -> None:
        """Send an assignment such as ``READY=1``; what cannot be sent is logged, not raised."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.setblocking(False)
                channel.sendto(state.encode(), self._address)
        except OSError as error:
            _log.warning("could not tell systemd %s: %s", state, error)
