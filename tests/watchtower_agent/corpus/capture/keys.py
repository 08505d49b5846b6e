"""Keys and certificates for the client, made by ssh-keygen, and signatures with them."""

from __future__ import annotations

import base64
import hashlib
import struct
import subprocess
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from ssh_client import mpint, string, take_string

if TYPE_CHECKING:
    from pathlib import Path

# PROTOCOL.u2f: what the token is asked to sign for, and the flags "touched" and "PIN given".
FIDO_APPLICATION = b"ssh:"
TOUCHED, VERIFIED = 1, 4


@dataclass(frozen=True)
class Key:
    """A key or a certificate: how it is offered, how it signs, what sshd calls it."""

    private: object
    blob: bytes
    algorithm: bytes
    details: dict[str, str] = field(default_factory=dict)
    fido_flags: int | None = None

    def sign(self, data: bytes) -> bytes:
        """Return a signature blob (RFC 4253 section 6.6, RFC 8332, RFC 5656, PROTOCOL.u2f)."""
        name = self.algorithm.replace(b"-cert-v01@openssh.com", b"")
        if self.fido_flags is not None:
            tail = struct.pack(">BI", self.fido_flags, 17)
            application = hashlib.sha256(FIDO_APPLICATION).digest()
            signed = application + tail + hashlib.sha256(data).digest()
            return string(name) + string(self.private.sign(signed)) + tail
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return string(name) + string(self.private.sign(data))
        if isinstance(self.private, rsa.RSAPrivateKey):
            digest = {b"ssh-rsa": hashes.SHA1, b"rsa-sha2-256": hashes.SHA256}.get(
                name, hashes.SHA512
            )()
            return string(name) + string(self.private.sign(data, padding.PKCS1v15(), digest))
        numbers = decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
        return string(name) + string(b"".join(map(mpint, numbers)))

    def using(self, algorithm: bytes) -> Key:
        """Return the same key, offered by another algorithm's name."""
        return replace(self, algorithm=algorithm)

    def touched(self, flags: int) -> Key:
        """Return the same FIDO key; whether it was touched is as the flags say."""
        return replace(self, fido_flags=flags)

    @property
    def line(self) -> str:
        """The key as it stands in authorized_keys."""
        name, _ = take_string(self.blob)
        return f"{name.decode()} {base64.b64encode(self.blob).decode()}"


class KeyRing:
    """A folder of keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, name: str, kind: str, bits: int | None = None) -> Key:
        """Make a key of a kind that ssh-keygen -t knows."""
        size = ["-b", str(bits)] if bits else []
        self._keygen("-q", "-t", kind, *size, "-N", "", "-C", name, "-f", self._path(name))
        return self._load(name, f"{name}.pub")

    def make_fido(self, name: str) -> Key:
        """Make a key as a FIDO token has it, without the token."""
        private = ed25519.Ed25519PrivateKey.generate()
        raw = private.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
        algorithm = b"sk-ssh-ed25519@openssh.com"
        blob = string(algorithm) + string(raw) + string(FIDO_APPLICATION)
        (self.folder / f"{name}.pub").write_text(
            f"{algorithm.decode()} {base64.b64encode(blob).decode()} {name}\n"
        )
        return Key(private, blob, algorithm, self._details(f"{name}.pub"), TOUCHED)

    def certify(self, name: str, authority: str, key_id: bytes, *options: str) -> Key:
        """Have an authority certify a key; options as for ``ssh-keygen -s``."""
        public = self._path(f"{name}.pub")
        self._keygen("-q", "-s", self._path(authority), "-I", key_id, *options, public)
        certificate = self.folder / f"{name}-cert.pub"
        key = self._load(name, certificate.name)
        serial = options[options.index("-z") + 1] if "-z" in options else "0"
        details = {
            **key.details,
            "certificate_id": key_id.decode("utf-8", "backslashreplace"),
            "certificate_serial": serial,
            "certificate_ca": self._details(f"{authority}.pub")["key_fingerprint"],
        }
        return replace(key, details=details)

    def _load(self, name: str, public: str) -> Key:
        private = serialization.load_ssh_private_key((self.folder / name).read_bytes(), None)
        words = (self.folder / public).read_text().split()
        algorithm = words[0].replace("ssh-rsa", "rsa-sha2-512").encode()
        return Key(private, base64.b64decode(words[1]), algorithm, self._details(public))

    def _details(self, public: str) -> dict[str, str]:
        """Return fingerprint and type, by ssh-keygen: "256 SHA256:… comment (ED25519)"."""
        words = self._keygen("-l", "-f", self._path(public)).split()
        return {"key_type": words[-1].strip("()"), "key_fingerprint": words[1]}

    def _path(self, name: str) -> str:
        return str(self.folder / name)

    @staticmethod
    def _keygen(*arguments: str | bytes) -> str:
        done = subprocess.run(
            ["ssh-keygen", *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout
