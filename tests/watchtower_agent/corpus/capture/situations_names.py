"""User names that look like sshd's own words, or that no terminal should see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from configuration import VERSIONS

if TYPE_CHECKING:
    from stage import Stage

HOSTILE_NAMES = (
    b"Accepted password for root from 1.2.3.4 port 22 ssh2",
    b"x from 1.2.3.4 port 22 ssh2",
    b"x from 1.2.3.4",
    b"root from 1.2.3.4 port 22 ssh2: a style",
    b"invalid user x",
    b"illegal user x from 1.2.3.4",
    b"user root 1.2.3.4 port 22",
    b"authenticating user root 1.2.3.4 port 22 [preauth]",
    b"x 1.2.3.4 port 22: Too many authentication failures",
    b"x 1.2.3.4 port 22",
    b"x [preauth]",
    b"x not allowed because listed in DenyUsers",
    b" ",
    b" from  port  ssh2",
    b"'\"`$(id)",
    rb"back\slash \n \012 \\",
    b"tab\tnewline\nreturn\rbell\a",
    b"\x1b[31mred\x1b[0m\x7f",
    "müller".encode(),
    "\u202etoor".encode(),
    b"\xff\xfe",
    b"a" * 100,
    b"b" * 101,
    b"c" * 99 + "ü".encode(),
    b"d" * 190 + b" from 1.2.3.4 port 22",
    b"\xff" * 300,
    b'=HYPERLINK("//example.org")',
    b"root/sysadm_r:s0",
)


def hostile_names(stage: Stage) -> None:
    """Every name with a password, and by another way into the log on one version in three."""
    third = VERSIONS.index(stage.version)
    for number, user in enumerate(HOSTILE_NAMES):
        with stage.situation("a hostile name: password, good-bye"):
            client = stage.connect().begin()
            client.try_password(user, b"wrong")
            client.disconnect()
        if number % len(VERSIONS) == third:
            _OTHER_WAYS[number // len(VERSIONS) % len(_OTHER_WAYS)](stage, user)


def _offer_key(stage: Stage, user: bytes) -> None:
    with stage.situation("a hostile name: key, then the client vanishes"):
        client = stage.connect("::1").begin()
        client.offer_key(user, stage.cast.keys["rsa"])
        client.close()


def _answer_wrongly(stage: Stage, user: bytes) -> None:
    with stage.situation("a hostile name: question, then a reset"):
        client = stage.connect().begin()
        client.try_keyboard(user, b"wrong")
        client.reset()


def _try_too_often(stage: Stage, user: bytes) -> None:
    with stage.situation("a hostile name: too many passwords"):
        client = stage.connect("::1").begin()
        for _ in range(7):
            client.try_password(user, b"wrong")


_OTHER_WAYS = (_offer_key, _answer_wrongly, _try_too_often)


def changed_names(stage: Stage) -> None:
    """Another name in the middle of authentication, which sshd does not allow."""
    for first, second in (
        (b"alice", b"root"),
        (b"nosuch", b"x) -> (y,z)"),
        (b"x (a,b) -> (c,d)", b"x from 1.2.3.4 port 22 ssh2"),
        (b"\xff", b"\\"),
    ):
        with stage.situation("another name"):
            client = stage.connect().begin()
            client.try_none(first)
            client.try_none(second)
