"""Events of a fleet in the internet: what a collector gets, with the skew that it has.

1,000 hosts, 20,000 users and 200,000 addresses. A few of each are behind most events: the busiest
tenth of them has seven in ten.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address

HOSTS = 1_000
USERS = 20_000
ADDRESSES = 200_000
KEY = "SHA256:" + "k" * 43
# Per thousand events. Nine in ten are attacks, as sshd on port 22 sees them.
SHARES = {
    "login_failed": 640,
    "connection_failed": 150,
    "connection_dropped": 30,
    "login_refused": 20,
    "login": 40,
    "session_opened": 40,
    "session_closed": 40,
    "sudo": 25,
    "sudo_failed": 2,
    "su": 3,
    "heartbeat": 10,
}
_REGIONS = ("eu-central", "eu-west", "us-east", "ap-south")
_GROUPS = ("web", "db", "bastion", "build")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp(microseconds: int) -> str:
    """Return microseconds since 1970 as an agent writes them."""
    moment = (_EPOCH + timedelta(microseconds=microseconds)).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds") + "Z"


class Traffic:
    """A source of events, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._types = tuple(SHARES)
        self._weights = tuple(SHARES.values())

    def _draw(self, count: int) -> int:
        """Return a number below ``count``, small ones far more often than large ones."""
        while True:
            drawn = int(self._random.expovariate(4.0) ** 2 * count)
            if drawn < count:
                return drawn

    def _address(self) -> str:
        number = self._draw(ADDRESSES)
        # Scattered over the whole space, as attackers are; one in ten comes by IPv6.
        scattered = number * 2_654_435_761 % 2**32
        if number % 10 == 0:
            return str(IPv6Address((0x2A00 << 112) | (scattered << 64) | 1))
        return str(IPv4Address(scattered))

    def event(self, at: int, event_id: str) -> dict[str, object]:
        """Return one event as JSON has it, at microseconds since 1970."""
        (kind,) = self._random.choices(self._types, self._weights)
        host = self._draw(HOSTS)
        event: dict[str, object] = {
            "type": kind,
            "timestamp": timestamp(at),
            "hostname": f"{_GROUPS[host % 4]}-{host}.example.org",
            "event_id": event_id,
            "region": _REGIONS[host % 4],
            "host_group": _GROUPS[host % 4],
        }
        if kind == "heartbeat":
            return event | {"agent_version": "1.0.0", "spool_depth": 0}
        user = f"user-{self._draw(USERS)}"
        if kind in {"sudo", "sudo_failed", "su"}:
            return event | {"user": user, "raw_message": f"{user} : TTY=pts/0 ; USER=root"}
        address, port = self._address(), self._random.randrange(1_024, 65_536)
        peer = f"{address} port {port}"
        event |= {"source_ip": address, "source_port": port}
        match kind:
            case "connection_failed" | "connection_dropped":
                return event | {"raw_message": f"Connection closed by {peer} [preauth]"}
            case "session_opened" | "session_closed":
                said = f"pam_unix(sshd:session): session {kind[8:]} for user {user}"
                return event | {"user": user, "raw_message": said}
            case "login":
                said = f"Accepted publickey for {user} from {peer} ssh2: ED25519 {KEY}"
                key = {"method": "publickey", "key_type": "ED25519", "key_fingerprint": KEY}
                return event | key | {"user": user, "raw_message": said}
            case _:
                said = f"Failed password for invalid user {user} from {peer} ssh2"
                return event | {"user": user, "method": "password", "raw_message": said}
