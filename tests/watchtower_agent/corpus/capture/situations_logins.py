"""Passwords, questions, keys and certificates: right and wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host import PASSWORD
from keys import TOUCHED, VERIFIED

if TYPE_CHECKING:
    from stage import Stage

USERS = (b"alice", b"root", b"nosuch", b"")


def passwords(stage: Stage) -> None:
    """Passwords, and no proof at all."""
    with stage.situation("password, a command, good-bye"):
        client = stage.connect().begin()
        client.try_password(b"alice", PASSWORD)
        client.run(b"true")
        client.disconnect()
    with stage.situation("password over IPv6, then the client vanishes"):
        client = stage.connect("::1").begin()
        client.try_password(b"alice", PASSWORD)
        client.run(b"true")
        client.close()
    with stage.situation("password over link-local IPv6, then a reset"):
        client = stage.connect(stage.link_local()).begin()
        client.try_password(b"alice", PASSWORD)
        client.run(b"true")
        client.reset()
    with stage.situation("root's password, then the client vanishes"):
        client = stage.connect("127.1.0.12").begin()
        client.try_password(b"root", PASSWORD)
        client.run(b"true")
        client.close()
    with stage.situation("no password needed"):
        client = stage.connect("127.1.0.9").begin()
        client.try_none(b"nick")
        client.run(b"true")
        client.disconnect()
    with stage.situation("no proof, where no password may be enough"):
        client = stage.connect("127.1.0.9").begin()
        client.try_none(b"alice")
        client.try_none(b"nosuch")
        client.disconnect()
    for user in USERS:
        whom = user.decode() or "nobody"
        with stage.situation(f"wrong passwords for {whom}, good-bye"):
            client = stage.connect("::1").begin()
            client.try_password(user, b"wrong")
            client.try_password(user, b"wrong again")
            client.disconnect()
        with stage.situation(f"no proof for {whom}, then the client vanishes"):
            client = stage.connect().begin()
            client.try_none(user)
            client.close()
        with stage.situation(f"no proof for {whom}, then a reset"):
            client = stage.connect().begin()
            client.try_none(user)
            client.reset()
    for user in (b"alice", b"nosuch"):
        with stage.situation(f"too many wrong passwords for {user.decode()}"):
            client = stage.connect("::1").begin()
            for _ in range(7):
                client.try_password(user, b"wrong")


def odd_accounts(stage: Stage) -> None:
    """Accounts that useradd would not make, as members of a Windows domain have them."""
    for user in (rb"corp\alice", b"anna maria", "jürgen".encode()):
        with stage.situation("an account that useradd would not make"):
            client = stage.connect().begin()
            client.try_password(user, b"wrong")
            client.try_password(user, PASSWORD)
            client.run(b"true")
            client.disconnect()
        with stage.situation("an account that useradd would not make, then a reset"):
            client = stage.connect().begin()
            client.try_none(user)
            client.reset()


def questions(stage: Stage) -> None:
    """keyboard-interactive, through PAM."""
    for user in USERS:
        with stage.situation(f"questions to {user.decode() or 'nobody'} answered wrongly"):
            client = stage.connect().begin()
            client.try_keyboard(user, b"wrong")
            client.try_keyboard(user, b"wrong again")
            client.disconnect()
    with stage.situation("a question answered wrongly at LogLevel INFO"):
        client = stage.connect("127.1.0.14").begin()
        client.try_keyboard(b"alice", b"wrong")
        client.close()
    with stage.situation("a question answered rightly"):
        client = stage.connect().begin()
        client.try_keyboard(b"alice", PASSWORD)
        client.run(b"true")
        client.disconnect()
    with stage.situation("a question not answered"):
        client = stage.connect().begin()
        client.try_keyboard(b"alice")
        client.disconnect()


def several_factors(stage: Stage) -> None:
    """AuthenticationMethods."""
    keys = stage.cast.keys
    with stage.situation("a key, then a password"):
        client = stage.connect("127.1.0.6").begin()
        client.try_key(b"alice", keys["ed25519"])
        client.try_password(b"alice", b"wrong")
        client.try_password(b"alice", PASSWORD)
        client.run(b"true")
        client.disconnect()
    with stage.situation("a certificate, then a question"):
        client = stage.connect("127.1.0.7").begin()
        client.try_key(b"alice", stage.cast.certificates["good"])
        client.try_keyboard(b"alice", PASSWORD)
        client.run(b"true")
        client.disconnect()
    with stage.situation("a key, and nothing more"):
        client = stage.connect("127.1.0.6").begin()
        client.try_key(b"alice", keys["rsa"])
        client.close()
    with stage.situation("a kind of key that is not accepted"):
        client = stage.connect("127.1.0.15").begin()
        client.try_key(b"alice", keys["rsa"])
        client.disconnect()
    with stage.situation("the same key twice"):
        client = stage.connect("127.1.0.8").begin()
        client.try_key(b"alice", keys["ed25519"])
        client.try_key(b"alice", keys["ed25519"])
        client.disconnect()
    with stage.situation("two keys"):
        client = stage.connect("127.1.0.8").begin()
        client.try_key(b"alice", keys["ed25519"])
        client.try_key(b"alice", keys["ecdsa"])
        client.run(b"true")
        client.disconnect()
    with stage.situation("no method is left"):
        client = stage.connect("127.1.0.10").begin()
        client.try_none(b"alice")


def keys(stage: Stage) -> None:
    """Public keys."""
    known = stage.cast.keys
    for name in ("ed25519", "rsa", "ecdsa", "fido"):
        with stage.situation(f"{name} key, a command, good-bye"):
            client = stage.connect("::1").begin()
            client.offer_key(b"alice", known[name])
            client.try_key(b"alice", known[name])
            client.run(b"true")
            client.disconnect()
        with stage.situation(f"{name} key that is not admitted"):
            client = stage.connect().begin()
            client.offer_key(b"bob", known[name])
            client.disconnect()
        with stage.situation(f"{name} key for a user who does not exist"):
            client = stage.connect().begin()
            client.offer_key(b"nosuch", known[name])
            client.close()
    for situation, user, key in (
        ("a signature by another key", b"alice", known["forged"]),
        ("a FIDO key that was not touched", b"alice", known["fido"].touched(0)),
        ("a FIDO key without the PIN that authorized_keys demands", b"carol", known["fido"]),
        ("a FIDO key with its PIN", b"carol", known["fido"].touched(TOUCHED | VERIFIED)),
        ("a key that is revoked", b"alice", known["revoked"]),
        ("a key from an address that authorized_keys does not admit", b"dave", known["ed25519"]),
        ("a key whose options make no sense", b"erin", known["ed25519"]),
        ("a folder that others may write", b"frank", known["ed25519"]),
        ("a file that others may write", b"grace", known["ed25519"]),
        ("RSA with SHA-1", b"alice", known["rsa"].using(b"ssh-rsa")),
        ("DSA", b"alice", known["ed25519"].using(b"ssh-dss")),
        ("an algorithm that nobody knows", b"alice", known["ed25519"].using(b"no such [preauth]")),
        ("an RSA key that is too short", b"alice", known["short"]),
    ):
        with stage.situation(situation):
            client = stage.connect().begin()
            client.try_key(user, key)
            client.disconnect()


def certificates(stage: Stage) -> None:
    """Certificates, with the key ids that an authority may write into them."""
    cast = stage.cast
    for name, certificate in cast.certificates.items():
        with stage.situation(f"certificate: {name}"):
            client = stage.connect().begin()
            client.try_key(b"alice", certificate)
            client.disconnect()
    with stage.situation("certificate for a user who does not exist"):
        client = stage.connect().begin()
        client.try_key(b"nosuch", cast.certificates["good"])
        client.close()
    both = {"type": "login", "method": "publickey", "key_type": "RSA-CERT"}
    details = cast.two_readings.details
    both |= {name: details[name] for name in ("certificate_ca", "certificate_serial")}
    with stage.situation(
        "certificate: a key id that looks like all that stands before it",
        ambiguous={"Accepted publickey": both},
    ):
        client = stage.connect("::1").begin()
        client.try_key(b"alice", cast.two_readings)
        client.disconnect()

    cut = {"type": "login_failed", "method": "publickey"}
    for user in (b"alice", b"bob", b"x"):
        with stage.situation(
            "certificate: a key id that ends in blanks", ambiguous={"Failed publickey": cut}
        ):
            client = stage.connect("::1").begin()
            client.try_key(user, cast.blanks)
            client.disconnect()


def principals(stage: Stage) -> None:
    """AuthorizedPrincipalsFile."""
    for server in ("127.1.0.16", "127.1.0.17"):
        with stage.situation("certificate: principals that do not fit"):
            client = stage.connect(server).begin()
            client.try_key(b"alice", stage.cast.certificates["good"])
            client.disconnect()


def trusted_hosts(stage: Stage) -> None:
    """Hostbased authentication (RFC 4252 section 9)."""
    known, cast = stage.cast.keys["client_host"], stage.cast
    sha1 = cast.certificates["signed with SHA-1"]
    nobodys = known.using(b"no such [preauth]")
    for situation, user, host, name, proof in (
        ("a trusted host", b"alice", "client", b"alice", known),
        ("a trusted host, another user", b"alice", "client", b"bob", known),
        ("a host with another key", b"alice", "client", b"alice", cast.keys["ed25519"]),
        ("a trusted host, a user who does not exist", b"nosuch", "client", b"nosuch", known),
        ("a name like an address", b"alice", "client", b'x" from 1.2.3.4 port 22 ssh2', known),
        ("a revoked host key", b"alice", "thief", b"alice", known),
        ("a user's certificate", b"alice", "a.certified", b"alice", cast.certificates["good"]),
        ("a user's known_hosts that others may write", b"grace", "client", b"grace", known),
        ("a user's .shosts that others may write", b"frank", "guest", b"frank", known),
        ("a home that others may write", b"bob", "guest", b"bob", known),
        ("no home", b"oscar", "guest", b"oscar", known),
        ("a certificate signed with SHA-1", b"alice", "client", b"alice", sha1),
        ("an algorithm that is not accepted", b"alice", "client", b"alice", cast.keys["rsa"]),
        ("an algorithm that nobody knows", b"alice", "client", b"alice", nobodys),
    ):
        with stage.situation(f"hostbased: {situation}"):
            server = "127.1.0.11" if "algorithm" in situation else "127.1.0.19"
            client = stage.connect(server).begin()
            client.try_host_key(user, proof, f"{host}.example.org.".encode(), name)
            client.disconnect()
