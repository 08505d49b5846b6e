"""sshd's lines with hostile text in every place that a client can write to.

Each line is printed here the way sshd prints it, from one of the agent's format strings and from
values of which we know which are true. What the agent reads must be what the server meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchtower_agent.sshd_family import Speaker
from watchtower_agent.sshd_lines import FAMILIES

if TYPE_CHECKING:
    import random

    from watchtower_agent.line_format import LineFormat
    from watchtower_agent.sshd_family import SshdFamily
    from watchtower_agent.statement import Statement

# Pieces of sshd's own lines, so that hostile text looks like the line around it.
PIECES = (
    b" from ",
    b" port 22 ssh2",
    b"1.2.3.4",
    b" from 6.6.6.6 port 1",
    b"6.6.6.6 port 1",
    b" 6.6.6.6 port 1: ",
    b"Accepted password for root from 6.6.6.6 port 1 ssh2",
    b"Accepted password for root",
    b"invalid user ",
    b" not allowed because not listed in AllowUsers",
    b": Too many authentication failures",
    b": no matching cipher found. Their offer: ",
    b": RSA SHA256:" + b"A" * 43,
    b"RSA-CERT SHA256:" + b"B" * 43 + b" ID ",
    b" (serial 0) CA RSA SHA256:" + b"C" * 43,
    b', client user "x", client host "y"',
    b" has expired",
    b"(uid=0) by root(uid=0)",
    b" [preauth]",
    b" [postauth]",
    b"error: ",
    b"fatal: ",
    b"/root/.ssh/authorized_keys:1: ",
    b"\\",
    b"\\n",
    b"\\012",
    b"\n",
    b"\r\n",
    "ü".encode(),
    "\u202e".encode(),
    b'"',
    b" ",
    b"\x1b[2J",
    b", signature count = 1",
)
TRUE_IP = "203.0.113.77"
# What stands in the slots that no client can write to.
_HONEST = {
    "method": (
        "password",
        "keyboard-interactive/pam",
        "none",
        "publickey",
        "hostbased",
        "gssapi-with-mic",
        "gssapi-keyex",
    ),
    "invalid": ("", "invalid user "),
    "source_ip": (TRUE_IP, "2001:db8::77", "fe80::77%eth0"),
    "source_host": (TRUE_IP, "client.example.org"),
    "host": ("client.example.org",),
    "local_ip": ("192.0.2.1",),
    "local_port": ("22",),
    "source_port": ("54321", "1"),
    "key_type": ("RSA", "ED25519", "ECDSA-SK"),
    "key_fingerprint": ("SHA256:" + "k" * 43, "MD5:" + ":".join(["0a"] * 16)),
    "certificate_ca": ("SHA256:" + "c" * 43,),
    "ca_type": ("ED25519",),
    "certificate_serial": ("0", "18446744073709551615"),
    "counter": ("", ", signature count = 7"),
    "line_number": ("1",),
    "number": ("1000",),
    "other_number": ("0",),
    "count": ("10",),
    "hex": ("7f",),
    "lost_connections": ("12",),
    "session_pid": ("4711",),
    "child_status": ("", " (early)"),
    "penalty": ("failed authentication",),
    "state": ("invalid ", "authenticating ", "authenticating"),
    "timeframe": ("1m12s",),
    "error": ("message authentication code incorrect", "Connection reset by peer"),
    "blank": ("", " "),
    "illegal": ("", "illegal user "),
    "pam_error": (
        "Authentication failure",
        "Have exhausted maximum number of retries for service",
    ),
    "mismatch": ("no matching host key type found",),
    "function": ("ssh_dispatch_run_fatal", "userauth_pubkey"),
}
# How many bytes of it sshd lets through (0: as many as fit), and whether sshd escapes them.
_HOSTILE = {
    "user": 100,
    "preamble_user": 187,  # "%.200s" of "authenticating user …"
    "client_user": 100,
    "client_host": 100,
    "certificate_id": 300,
    "principal": 300,
    "message": 100,
    "offer": 300,
    "file": 200,
    "shell": 100,
    "pam_user": 100,
    "opener": 100,
    "text": 300,
}
_UNESCAPED = ("pam_user", "opener")
_SLOT = re.compile(r"\{([a-z_]+)\}")
# The detail that a slot's text ends up in, where the names differ.
_DETAIL = {"preamble_user": "user", "pam_user": "user", "source_host": "source_ip"}


@dataclass(frozen=True)
class HostileLine:
    """A line as journald gets it, and what the server meant by it."""

    line: str
    type: str
    truth: dict[str, str]
    template: str


def strnvis(raw: bytes) -> str:
    """Escape as sshd does, for LOG_SYSLOG_VIS."""
    names = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r"}
    return "".join(
        "\\\\"
        if byte == 0x5C
        else chr(byte)
        if 0x20 <= byte < 0x7F
        else f"\\{names[byte]}"
        if byte in names
        else f"\\{byte:03o}"
        for byte in raw
    )


def formats() -> list[tuple[SshdFamily, LineFormat]]:
    """Return every format string of sshd's that the agent knows."""
    return [(family, known) for family in FAMILIES for known in family.formats]


def lies(printed: HostileLine, said: Statement) -> dict[str, object]:
    """Return what is said as a fact and is not what the server meant."""
    wrong: dict[str, object] = {
        name: said.details[name]
        for name in ("user", "source_ip", "source_port", "method", "reason", "certificate_id")
        if name in said.details and str(said.details[name]) != printed.truth.get(name)
    }
    if said.type != printed.type:
        wrong["type"] = said.type
    return wrong


def hostile_text(random_source: random.Random, limit: int) -> bytes:
    """Return text that tries to look like the line around it."""
    parts = []
    for _ in range(random_source.randrange(7)):
        if random_source.random() < 0.75:
            parts.append(random_source.choice(PIECES))
        else:
            parts.append(random_source.randbytes(random_source.randrange(1, 6)))
    return b"".join(parts).replace(b"\0", b"")[:limit]


def print_line(family: SshdFamily, known: LineFormat, random_source: random.Random) -> HostileLine:
    """Print a line as sshd prints it."""
    truth: dict[str, str] = {}
    marks = {Speaker.MONITOR: ("",), Speaker.CHILD: (" [preauth]",)}
    mark = random_source.choice(marks.get(family.speaker, ("", " [preauth]")))

    def fill(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in _HOSTILE:
            raw = hostile_text(random_source, _HOSTILE[name])
            if (
                name == "message"
            ):  # auth2.c, input_userauth_request(): the one that quotes a client
                raw = (b"Change of username or service not allowed: (" + raw)[:100]
            while truth.get("invalid", truth.get("illegal")) == "" and raw.startswith(
                (b"invalid user ", b"illegal user ")
            ):
                raw = raw[1:]  # an account exists under this name, and none is called so
            text = (
                raw.replace(b"\n", b" ").decode("utf-8", "replace")
                if name in _UNESCAPED
                # monitor.c: the monitor escapes what its child has escaped already.
                else (strnvis(strnvis(raw).encode()) if mark else strnvis(raw))
            )
            value = text if name in _UNESCAPED else raw.decode("utf-8", "backslashreplace")
        else:
            fitting = [
                choice
                for choice in _HONEST[name]
                if name not in ("method", "function")
                or family.beginning.match(_SLOT.sub(choice, known.template, count=1))
            ]
            value = text = random_source.choice(fitting)
        truth[_DETAIL.get(name, name)] = value
        return text

    text = _SLOT.sub(fill, known.template)
    if known.reason is not None:
        truth["reason"] = known.reason
    # log.c, do_log(): "%.500s"
    line = f"{family.level}{text}{mark}"[:500]
    return HostileLine(line, family.type, truth, known.template)
