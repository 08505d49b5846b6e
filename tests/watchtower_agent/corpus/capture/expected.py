"""What an event must say of a line, by what the client did and not by what the line says.

The line decides only which of sshd's format strings it was printed by; the list of formats says
what that one is about and which details it carries. The details' values are the client's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import printed

if TYPE_CHECKING:
    from ssh_client import Attempt

# Lines that others write through sshd's syslog connection: what they begin with, and the source.
FOREIGN = {
    "pam_unix(sshd:session): session ": "Linux-PAM, modules/pam_unix/pam_unix_sess.c",
    "pam_unix(sshd:auth): ": "Linux-PAM, modules/pam_unix/support.c",
    "pam_unix(sshd:account): ": "Linux-PAM, modules/pam_unix/pam_unix_acct.c",
    "pam_access(sshd:account): ": "Linux-PAM, modules/pam_access/pam_access.c",
    "pam_systemd(sshd:session): ": "systemd, src/login/pam_systemd.c",
    "pam_env(sshd:session): ": "Linux-PAM, modules/pam_env/pam_env.c",
    "pam_limits(sshd:session): ": "Linux-PAM, modules/pam_limits/pam_limits.c",
    "PAM ": "Linux-PAM, modules/pam_unix/support.c",
    "refused connect from ": "libwrap, refuse.c",
}
# Whatever else ends the process without privileges ends the connection: a broken packet.
BROKEN_PACKET = {"type": "connection_failed", "reason": "protocol_error"}
_FATAL_CHILD = re.compile(r"fatal: [a-z_0-9]+: .* \[preauth\]", re.DOTALL)
# canohost.c: the client was gone before sshd asked for its address.
_UNKNOWN = re.compile(r" UNKNOWN port -?\d+(?: \[preauth\])?$")
# auth.c, allowed_user(), and auth-pam.c, sshpam_query(): with UseDNS, a name and no address.
_NAMED = re.compile(r"^User .* from \S+ not allowed because |^error: PAM: ")
# Two processes of root's say this in the same words: packet.c of a connection that ends before
# there is a user, and serverloop.c of root's session that ends without a good-bye.
_TWO_ENDS = re.compile(r"Connection closed by \S+ port \d+")
# Others whom a line can come from; "nobody" is for lines that sshd does not print.
OTHER_SOURCES = (
    "Linux-PAM, modules/pam_faillock/pam_faillock.c",
    "Linux-PAM, modules/pam_unix/pam_unix_passwd.c",
    "nobody",
)
# auth.c, auth_log().
_AUTH_LOG = re.compile(r"(Accepted|Failed|Partial|Postponed) ([a-z/-]+) for ")
# packet.c, sshpkt_fmt_connection_id(): "%.200s" holds one of these words and the name.
_REMOTE_BYTES = 200


@dataclass
class Connection:
    """What a client knows of one connection, when it is over."""

    source_ip: str
    source_port: int
    attempts: list[Attempt]
    host: str | None = None  # the name that sshd looks up for the address, with UseDNS
    accepted: bool = False
    unread: list[Attempt] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.unread = list(self.attempts)

    def name(self) -> bytes | None:
        """Return whom sshd takes the client for: the first name that it was given."""
        return sshd_name(self.attempts[0].user) if self.attempts else None


def sshd_name(user: bytes) -> bytes:
    """Return what sshd leaves of a name: auth2.c, input_userauth_request().

    Behind a colon it looks for a "style", and Debian's sshd behind a slash for an SELinux role.
    """
    return user.split(b":")[0].split(b"/")[0]


@cache
def _formats() -> list[dict]:
    return printed.formats()


def format_of(line: str, *, logged_in: bool) -> dict | None:
    """Return the format string that printed a line, or None for somebody else's line.

    Of several, it is the one with most text of its own; but before a login it is one that is
    about connections before a login, if there is one (serverloop.c repeats packet.c's words).

    Raises:
        LookupError: sshd's sources have none, and nobody else is known to write it.
    """
    if foreign_source(line):
        return None
    fitting = [known for known in _formats() if printed.prints(known["format"], line)]
    if not fitting:
        raise LookupError(f"no format of sshd's prints this line: {line!r}")
    return max(fitting, key=lambda known: _fitness(known, logged_in=logged_in))


def _fitness(known: dict, *, logged_in: bool) -> tuple[bool, int]:
    own = len(re.sub(r"%[.0-9]*l*[a-z]", "", known["format"]))
    return (known.get("because") == "after login") == logged_in, own


def foreign_source(line: str) -> str | None:
    """Return who writes such a line, if it is not sshd."""
    return next((source for words, source in FOREIGN.items() if line.startswith(words)), None)


def expected(
    line: str, fields: dict[str, str], connections: list[Connection]
) -> tuple[dict | None, dict | None]:
    """Return what an event must say of an entry, and the format that printed its line.

    The first is None when the line must not become an event, the second when somebody else
    than sshd wrote the line.
    """
    done = _connection_of(line, connections)
    two_ends = _TWO_ENDS.fullmatch(line) is not None
    known = format_of(line, logged_in=done.accepted and not two_ends)
    if known is None:
        return _foreign(line, done), None
    if known["concerns"] is None:
        return (BROKEN_PACKET if _FATAL_CHILD.fullmatch(line) else None), known
    event_type, reason = _type_and_reason(known, line)
    says = {"type": event_type, **({"reason": reason} if reason else {})}
    if two_ends:
        from_session = fields.get("_SYSTEMD_UNIT", "").startswith("session-")
        source = {"source_ip": done.source_ip, "source_port": done.source_port}
        ambiguous = {**says, **source, "ambiguous": True}
        return (None if from_session or fields["_UID"] != "0" else ambiguous), known
    if event_type == "connection_failed" and done.accepted:
        return None, known
    # What a user's own process says, any process of that user can say.
    if fields["_UID"] != "0":
        return {"type": "untrusted"}, known
    if not printed.prints_whole(known["format"], line) and line.startswith("Disconnecting "):
        del says["reason"]  # it stood at the end, which was cut off
    return {**says, **_details(known, line, done)}, known


def _type_and_reason(known: dict, line: str) -> tuple[str, str]:
    concerns = known["concerns"].split(" or ")
    if len(concerns) > 1:  # sshd.c, drop_connection(): the last word decides
        return "connection_dropped", "max_startups" if line.endswith(" Maxstartups") else "penalty"
    event_type, _, reason = concerns[0].partition("/")
    return event_type, reason


def _connection_of(line: str, connections: list[Connection]) -> Connection:
    """Return the connection that a line is about: by its port, or the only one."""
    for done in connections:
        if re.search(rf"(?: port |\]:){done.source_port}\b", line):
            return done
    return connections[0] if connections else Connection("", 0, [])


def _take_attempt(done: Connection, verb: str, method: str) -> Attempt:
    if verb == "Accepted":
        done.accepted = True
    for attempt in done.unread:
        if (attempt.verb, attempt.method) == (verb, method):
            done.unread.remove(attempt)
            return attempt
    raise LookupError(f"sshd tells of an attempt that was not made: {verb} {method}: {done}")


def _details(known: dict, line: str, done: Connection) -> dict:
    """Return the details that a format carries, with the client's values."""
    auth_log = _AUTH_LOG.match(line)
    attempt = _take_attempt(done, *auth_log.groups()) if auth_log else None
    if not printed.prints_whole(known["format"], line):
        certain: dict[str, object] = {"method": attempt.method} if attempt else {}
        if line.startswith("Unable to negotiate with ") and done.name() is None:
            # The client's own text is the last of the line.
            certain = {"source_ip": done.source_ip, "source_port": done.source_port}
        return {**certain, "ambiguous": True}
    last = attempt or (done.attempts[-1] if done.attempts else None)
    name = sshd_name(attempt.user) if attempt else done.name()
    values = {
        "user": None if name is None else _cut(known, line, name),
        "method": attempt.method if attempt else None,
        "source_ip": done.host if done.host and _NAMED.search(line) else done.source_ip,
        "source_port": done.source_port,
        **(last.key if last else {}),
    }
    if _UNKNOWN.search(line):
        values["source_ip"] = values["source_port"] = None
    if lost := re.search(r"(\d+) connections dropped", line):
        values["lost_connections"] = int(lost[1])
    carried = {detail: values.get(detail) for detail in known.get("details", ())}
    return {detail: value for detail, value in carried.items() if value is not None}


def _cut(known: dict, line: str, name: bytes) -> str:
    """Return what is left of a name that is longer than the format lets through."""
    if "{remote}" in known["format"]:
        words = b"invalid user " if " invalid user " in line else b"authenticating user "
        name = name[: _REMOTE_BYTES - len(words)]
    elif "%.100s" in known["format"]:
        name = name[:100]
    return name.decode("utf-8", "backslashreplace")


def _foreign(line: str, done: Connection) -> dict | None:
    name = (done.name() or b"").decode("utf-8", "backslashreplace")
    if "(sshd:session): session opened " in line:
        return {"type": "session_opened", "user": name}
    if "(sshd:session): session closed " in line:
        return {"type": "session_closed", "user": name}
    if line.startswith("refused connect "):
        return {
            "type": "connection_dropped",
            "reason": "tcp_wrappers",
            "source_ip": done.source_ip,
        }
    return None
