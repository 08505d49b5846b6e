"""Who plays: the keys, and the certificates by what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keys import Key, KeyRing

if TYPE_CHECKING:
    from pathlib import Path

_ELSEWHERE = "source-address=192.0.2.0/24"
_NEW_OPTION = "critical:new@example.org=1"


@dataclass
class Cast:
    """All of them; ``two_readings`` and ``blanks`` have key ids that can make a line lie."""

    keys: dict[str, Key] = field(default_factory=dict)
    certificates: dict[str, Key] = field(default_factory=dict)
    two_readings: Key | None = None
    blanks: Key | None = None

    @classmethod
    def make(cls, folder: Path) -> Cast:
        """Make all keys and certificates in a folder."""
        ring, cast = KeyRing(folder), cls()
        for name, kind, bits in (
            ("ed25519", "ed25519", None),
            ("rsa", "rsa", 2048),
            ("ecdsa", "ecdsa", 256),
            ("revoked", "ed25519", None),
            ("short", "rsa", 1024),
            ("client_host", "ed25519", None),
            ("user_ca", "ed25519", None),
            ("rsa_ca", "rsa", 2048),
            ("other_ca", "ed25519", None),
        ):
            cast.keys[name] = ring.make(name, kind, bits)
        cast.keys["fido"] = ring.make_fido("fido")
        other = ring.make("other", "ed25519")
        known = cast.keys["ed25519"]
        cast.keys["forged"] = Key(other.private, known.blob, known.algorithm, known.details)
        cast._certify(ring)
        return cast

    def _certify(self, ring: KeyRing) -> None:
        """Have every certificate made: by what is wrong with it, and then by its key id."""
        fingerprint = self.keys["user_ca"].details["key_fingerprint"]
        alice = ("-n", "alice")
        for name, key, authority, *options in (
            ("good", "ed25519", "user_ca", *alice, "-z", "7"),
            ("good, RSA", "rsa", "user_ca", *alice, "-z", str(2**64 - 1)),
            ("good, ECDSA, signed by RSA", "ecdsa", "rsa_ca", *alice),
            ("expired", "ed25519", "user_ca", *alice, "-V", "20200101:20200102"),
            ("not yet valid", "ed25519", "user_ca", *alice, "-V", "20990101:20990102"),
            ("another user's", "ed25519", "user_ca", "-n", "bob"),
            ("nobody's", "ed25519", "user_ca"),
            ("a host's", "ed25519", "user_ca", "-h", *alice),
            ("by an authority that is not trusted", "ed25519", "other_ca", *alice),
            ("for another address", "ed25519", "user_ca", *alice, "-O", _ELSEWHERE),
            ("an option that is not known", "ed25519", "user_ca", *alice, "-O", _NEW_OPTION),
            ("signed with SHA-1", "ed25519", "rsa_ca", *alice, "-t", "ssh-rsa"),
            ("for a key that is revoked", "revoked", "user_ca", *alice),
        ):
            key_id = b"alice@example.org"
            self.certificates[name] = ring.certify(key, authority, key_id, *options)
        for name, key_id in (
            ("an empty key id", b""),
            ("a key id like its surroundings", b"alice laptop (serial 9) CA x"),
            ("a key id like an address", b"x from 6.6.6.6 port 22 ssh2: RSA SHA256:AAAA"),
            ("a key id like the line's end", f"x (serial 9) CA ED25519 {fingerprint}".encode()),
            ("a key id with escapes", 'q"\\ü\n\x1b[31m\u202e [preauth]'.encode()),
            ("a key id that is too long", b"long " * 120),
            ("a key id like a login", b"Accepted password for root from 1.2.3.4 port 22 ssh2"),
        ):
            self.certificates[name] = ring.certify("rsa", "user_ca", key_id, *alice)
            refused = f"{name}, not trusted"
            self.certificates[refused] = ring.certify("rsa", "other_ca", key_id, *alice)
        # A line is cut after 500 bytes, and then journald takes the blanks off its end.
        blanks = b"x from 6.6.6.6 port 22 ssh2" + b" " * 500
        self.blanks = ring.certify("rsa", "other_ca", blanks, *alice)
        # The line's first address and key are the client's. Another reading takes everything up to
        # the key id's own address for the user's name, which has room for it: 100 bytes.
        key_id = f"from 6.6.6.6 port 22 ssh2: RSA-CERT {fingerprint} ID ".encode()
        self.two_readings = ring.certify("rsa", "user_ca", key_id, *alice)
