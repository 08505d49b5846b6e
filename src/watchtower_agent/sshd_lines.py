"""What sshd's lines say: every format string that the agent knows, with its source.

OpenSSH 8.4 to 10.0, portable, as in Debian 11 to 13. The strings are the same in all of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from watchtower_agent.event import LOGIN, LOGIN_FAILED, SESSION_CLOSED
from watchtower_agent.line_format import METHOD, LineFormat
from watchtower_agent.statement import Statement

# log.c, do_log(): syslog(pri, "%.500s", fmtbuf). A line of this length may have lost its end.
CUT_LINE_BYTES = 500

# auth.c, format_method_key(); auth2-pubkey.c, auth2_record_info() with a FIDO key's counter.
_PLAIN_KEY = ": {key_type} {key_fingerprint}"
_CERTIFICATE = (
    ": {key_type} {key_fingerprint} ID {certificate_id} (serial {certificate_serial})"
    " CA {ca_type} {certificate_ca}"
)
# auth2-hostbased.c, auth2_record_info().
_CLIENT = ', client user "{client_user}", client host "{client_host}"'
# Behind "ssh2": what auth_log() in auth.c can append, by method.
_ENDINGS = {
    "publickey": ("", _PLAIN_KEY + "{counter}", _CERTIFICATE + "{counter}"),
    "hostbased": ("", _PLAIN_KEY + _CLIENT, _CERTIFICATE + _CLIENT),
    # auth2-gss.c, auth2_record_info(): the display name of the principal.
    "gssapi-with-mic": ("", ": {principal}"),
    "gssapi-keyex": ("", ": {principal}"),
}
_NO_ENDING = ("",)
_AUTH_LOG = "{method} for {invalid}{user} from {source_ip} port {source_port} ssh2"


@dataclass(frozen=True)
class _Family:
    """Lines that begin alike and differ at the end, so that one may be taken for another.

    The beginning is fixed text of sshd's own; no client can write there. So a line that begins
    so and reads in no way at all (its end was cut off) is still of this type.
    """

    type: str
    beginning: re.Pattern[str]
    formats: tuple[LineFormat, ...]

    def read(self, line: str) -> Statement | None:
        match = self.beginning.match(line)
        if match is None:
            return None
        certain = match.groupdict()
        if len(line.encode("utf-8", "replace")) >= CUT_LINE_BYTES:
            # Without its end, nothing says where the client's own text stopped.
            return Statement(self.type, certain, ambiguous=True)
        readings = [reading for known in self.formats for reading in known.readings(line)]
        if not readings:
            return Statement(self.type, certain, ambiguous=True)
        agreed = set.intersection(*(set(reading.items()) for reading in readings))
        return Statement(self.type, {**dict(agreed), **certain}, ambiguous=len(readings) > 1)


def _auth_log(event_type: str, verb: str) -> tuple[_Family, ...]:
    """auth.c, auth_log(): ``"%s %s%s%s for %s%.100s from %.200s port %d ssh2%s%s"``."""

    def family(method: str, endings: tuple[str, ...]) -> _Family:
        return _Family(
            event_type,
            re.compile(rf"{verb} (?P<method>{method}) for "),
            tuple(LineFormat(f"{verb} {_AUTH_LOG}{ending}") for ending in endings),
        )

    special = "|".join(_ENDINGS)
    others = rf"(?!(?:{special}) ){METHOD}"
    return (
        *(family(method, endings) for method, endings in _ENDINGS.items()),
        family(others, _NO_ENDING),
    )


_FAMILIES = (
    *_auth_log(LOGIN, "Accepted"),
    *_auth_log(LOGIN_FAILED, "Failed"),
    # auth.c, getpwnamallow(). The only trace of a client that offers keys for a user who does not
    # exist; with a password, "Failed password for invalid user" follows.
    _Family(
        LOGIN_FAILED,
        re.compile("Invalid user "),
        (LineFormat("Invalid user {user} from {source_ip} port {source_port}"),),
    ),
    # Linux-PAM, modules/pam_unix/pam_unix_sess.c, written from within sshd.
    _Family(
        SESSION_CLOSED,
        re.compile(r"pam_unix\(sshd:session\): session closed for user "),
        (LineFormat("pam_unix(sshd:session): session closed for user {pam_user}"),),
    ),
)
# monitor.c, monitor_read_log(): what the process without privileges says gets one of these.
_CHILD_SUFFIXES = (" [preauth]", " [postauth]")


def read_sshd_line(line: str) -> Statement | None:
    """Return what a line of sshd's says, or None when it is of no kind that makes an event.

    sshd's monitor marks the words of its unprivileged child; a child taken over by an attacker
    can say anything, so none of its words is one of these lines.
    """
    if line.endswith(_CHILD_SUFFIXES):
        return None
    for family in _FAMILIES:
        known = family.read(line)
        if known is not None:
            return known
    return None
