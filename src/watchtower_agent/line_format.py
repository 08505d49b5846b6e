"""Turns a format string of sshd's into a reader of the lines that it prints.

A template is sshd's format string with its conversions named: ``Invalid user {user} from
{source_ip} port {source_port}``. Most slots have a narrow shape (an address, a port). A *hostile*
slot holds text that a client chose, up to a number of bytes, and that text may look like any part
of the line. So a line is not matched once: every way to read it is found, and the caller sees
whether there is more than one.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from watchtower_agent.vis import decode_vis

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# So many readings are looked for. Where there are as many, there may be more.
ENOUGH_READINGS = 8

# auth2-methods.c and the authmethod_cfg of each auth2-*.c; a kbdint device follows a slash.
METHOD = r"[a-z][a-z-]{0,40}(?:/[a-z0-9-]+)?"
# sshkey_fingerprint() in sshkey.c: FingerprintHash is sha256 or md5.
_FINGERPRINT = r"SHA256:[A-Za-z0-9+/]{43}|MD5:[0-9a-f]{2}(?::[0-9a-f]{2}){15}|\(null\)"
_SHAPES = {
    "method": METHOD,
    "invalid": r"(?:invalid user )?",
    # get_peer_ipaddr() in canohost.c prints a numeric address or this word.
    "source_ip": r"[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?|UNKNOWN",
    "source_port": r"\d{1,5}|-1",
    "key_type": r"[A-Z0-9-]+",
    "key_fingerprint": _FINGERPRINT,
    "certificate_ca": _FINGERPRINT,
    "ca_type": r"[A-Z0-9-]+",
    "certificate_serial": r"\d{1,20}",
    # auth.c prints a name or an address here, as UseDNS has it; DNS names are an attacker's.
    "source_host": r"[0-9A-Za-z._:%-]{1,100}",
    "host": r"[0-9A-Za-z._:%-]{1,200}",
    "local_ip": r"[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?|UNKNOWN",
    "local_port": r"\d{1,5}",
    "line_number": r"\d{1,10}",
    "number": r"\d{1,20}",
    "other_number": r"\d{1,20}",
    "count": r"\d{1,10}",
    "hex": r"[0-9a-f]{1,8}",
    "lost_connections": r"\d{1,10}",
    "session_pid": r"\d{1,10}",
    # sshd.c, child_reap().
    "child_status": r"(?: \(early\)| \(sending config\)| \(sending keys\))?",
    "penalty": r"[A-Za-z ]+",
    # auth2.c and monitor.c, ssh_packet_set_log_preamble().
    "state": r"(?:invalid |authenticating ?)",
    # One stands at the end of a format string, and journald takes it away.
    "blank": r" ?",
    "illegal": r"(?:illegal user )?",
    # Linux-PAM, libpam/pam_strerror.c.
    "pam_error": "|".join(
        re.escape(text)
        for text in (
            "Application needs to call libpam again",
            "Authentication failure",
            "Authentication information cannot be recovered",
            "Authentication service cannot retrieve authentication info",
            "Authentication service cannot retrieve user credentials",
            "Authentication token expired",
            "Authentication token is no longer valid; new one required",
            "Authentication token lock busy",
            "Authentication token manipulation error",
            "Conversation error",
            "Critical error - immediate abort",
            "Error in service module",
            "Failed to load module",
            "Failure setting user credentials",
            "Have exhausted maximum number of retries for service",
            "Insufficient credentials to access authentication data",
            "Memory buffer error",
            "Module is unknown",
            "Permission denied",
            "System error",
            "Unknown PAM error",
            "User account has expired",
            "User credentials expired",
            "User not known to the underlying authentication module",
        )
    ),
    # misc.c, fmt_timeframe().
    "timeframe": r"[0-9wdhms:]+",
    # ssherr.c, ssh_err(), and strerror(3): no colon, so that it has no room for another address.
    "error": r"[A-Za-z][^:]*",
    # packet.c, ssh_packet_disconnect(): "%.100s", before it is escaped.
    "message": r"(?!Too many authentication failures$).{1,400}",
    "mismatch": r"no matching [A-Za-z ]+ found",
    # In front of sshpkt_fatal(): a function, or a function and what it was about to do.
    "function": r"[a-z_0-9]+(?:: [A-Za-z ]+)?",
    # auth2-pubkey.c, only with a FIDO key.
    "counter": r"(?:, signature count = \d{1,10})?",
}


@dataclass(frozen=True)
class _Hostile:
    """A slot for text that a client chose."""

    limit: int  # bytes that the program lets through
    fact: str
    escaped: bool = True  # by sshd's strnvis

    def decode(self, text: str, escapes: int) -> str | None:
        """Return what the program was given, or None if that is more than it lets through."""
        if text.isascii() and "\\" not in text:
            return text if len(text) <= self.limit else None
        raw = text.encode("utf-8", "backslashreplace")
        for _ in range(escapes if self.escaped else 0):
            raw = decode_vis(raw.decode("utf-8", "backslashreplace"))
        return raw.decode("utf-8", "backslashreplace") if len(raw) <= self.limit else None


_HOSTILE = {
    "user": _Hostile(100, "user"),  # %.100s
    "client_user": _Hostile(100, "client_user"),
    "client_host": _Hostile(100, "client_host"),
    "certificate_id": _Hostile(1024, "certificate_id"),  # MSGBUFSIZ in log.c
    "principal": _Hostile(1024, "principal"),
    "preamble_user": _Hostile(200, "user"),  # packet.c, %.200s
    "offer": _Hostile(1024, "offer"),
    "file": _Hostile(1024, "file"),
    "shell": _Hostile(100, "shell"),  # %.100s
    "text": _Hostile(1024, "text"),
    # PAM modules call syslog(3) by themselves: a backslash (DOMAIN\\user) is a backslash.
    "pam_user": _Hostile(1024, "user", escaped=False),
    "opener": _Hostile(1024, "opener", escaped=False),
}
_SLOT = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class _Segment:
    """What stands between two hostile slots: fixed text and narrow slots.

    The last one reaches to the end of the line.
    """

    pattern: re.Pattern[str]
    hostile: _Hostile | None  # the slot behind it; None at the end of the line


class LineFormat:
    """One template, compiled."""

    def __init__(self, template: str, reason: str | None = None) -> None:
        self.template = template
        self.reason = reason
        self._constants = {} if reason is None else {"reason": reason}
        self._segments = list(_compile(template))

    def readings(self, line: str, escapes: int = 1) -> list[dict[str, str]]:
        """Return each way to read the whole line, up to ENOUGH_READINGS of them.

        A way is slot name to text, hostile slots decoded.

        ``escapes`` says how often the line went through strnvis.
        """
        search = _Search(self._segments, escapes)
        begin = self._segments[0].pattern.match(line)
        if begin is not None:
            search.read_on(0, begin, self._constants)
        return search.found


class _Search:
    """The search for all ways to read a line, until there are ENOUGH_READINGS."""

    __slots__ = ("_escapes", "_segments", "found")

    def __init__(self, segments: Sequence[_Segment], escapes: int) -> None:
        self.found: list[dict[str, str]] = []
        self._segments = segments
        self._escapes = escapes

    def read_on(self, index: int, match: re.Match[str], values: dict[str, str]) -> None:
        """Find each way to read on, where ``match`` is the segment at ``index``."""
        facts = match.groupdict()
        if not _plausible(facts):
            return
        values = {**values, **facts}
        hostile = self._segments[index].hostile
        if hostile is None:
            self.found.append(values)
            return
        line, start = match.string, match.end()
        rest = self._segments[index + 1].pattern
        # It may begin at several places, also within another such rest.
        following = rest.search(line, start)
        while following is not None and len(self.found) < ENOUGH_READINGS:
            place = following.start()
            decoded = hostile.decode(line[start:place], self._escapes)
            if decoded is None:
                # Decoded text only grows with the slice, so no later end can fit either.
                return
            self.read_on(index + 1, following, {**values, hostile.fact: decoded})
            following = rest.search(line, place + 1) if place < len(line) else None


def _compile(template: str) -> Iterator[_Segment]:
    pattern = ""
    parts = _SLOT.split(template)
    for literal, name in zip(parts[::2], [*parts[1::2], None]):
        pattern += re.escape(literal)
        if name is None or name in _HOSTILE:
            hostile = None if name is None else _HOSTILE[name]
            end = r"\Z" if name is None else ""
            yield _Segment(re.compile(pattern + end, re.ASCII), hostile)
            pattern = ""
        else:
            pattern += f"(?P<{name}>{_SHAPES[name]})"


def _plausible(values: dict[str, str]) -> bool:
    """Return whether an address and a port, where there are any, can be ones."""
    address = values.get("source_ip")
    if address is not None and not _is_address(address):
        return False
    return int(values.get("source_port", "0")) <= 65535


@lru_cache(maxsize=1024)  # who knocks once knocks often
def _is_address(text: str) -> bool:
    if text == "UNKNOWN":
        return True
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
