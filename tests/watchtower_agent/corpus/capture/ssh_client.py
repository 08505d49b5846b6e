"""An SSH client that does as it is told, wrong things included: RFC 4253, RFC 4252, RFC 4254.

One key exchange (curve25519-sha256, RFC 8731), one cipher (aes128-ctr), one MAC (hmac-sha2-256).
It does not check the host key: it talks to test hosts only.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

if TYPE_CHECKING:
    from keys import Key

SECONDS = 10
PORT = 22
BANNER = b"SSH-2.0-corpus"
# RFC 4253 section 12, RFC 4252 section 6, RFC 4254 section 9, RFC 4256 section 5.
DISCONNECT, IGNORE, UNIMPLEMENTED, SERVICE_REQUEST, SERVICE_ACCEPT = 1, 2, 3, 5, 6
KEXINIT, NEWKEYS = 20, 21
KEX_ECDH_INIT, KEX_ECDH_REPLY = 30, 31
USERAUTH_REQUEST, USERAUTH_FAILURE, USERAUTH_SUCCESS = 50, 51, 52
USERAUTH_PK_OK, USERAUTH_INFO_REQUEST, USERAUTH_INFO_RESPONSE = 60, 60, 61
CHANNEL_OPEN, CHANNEL_CONFIRMATION, CHANNEL_CLOSE, CHANNEL_REQUEST = 90, 91, 97, 98
BY_APPLICATION = 11
ALGORITHMS = (
    b"curve25519-sha256",
    b"ssh-ed25519",
    b"aes128-ctr",
    b"aes128-ctr",
    b"hmac-sha2-256",
    b"hmac-sha2-256",
    b"none",
    b"none",
    b"",
    b"",
)


class HungUpError(ConnectionError):
    """The server closed the connection."""


def string(value: bytes) -> bytes:
    """Return an SSH string (RFC 4251 section 5)."""
    return struct.pack(">I", len(value)) + value


def mpint(number: int) -> bytes:
    """Return an SSH mpint of a number that is not negative."""
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big") if number else b"")


def take_string(data: bytes) -> tuple[bytes, bytes]:
    """Return the first SSH string and what follows it."""
    length = struct.unpack_from(">I", data)[0]
    return data[4 : 4 + length], data[4 + length :]


@dataclass
class Attempt:
    """One attempt to log in: what sshd is expected to call it, and whose it was."""

    verb: str  # Accepted, Failed, Partial or Postponed: by the server's answer
    user: bytes
    method: str
    key: dict[str, str]


@dataclass
class SshClient:
    """One connection; every step is a method of its own, so that a caller may leave some out."""

    server: str
    source: str | None = None
    algorithms: tuple[bytes, ...] = ALGORITHMS
    ip_options: bytes = b""
    attempts: list[Attempt] = field(default_factory=list)

    def __post_init__(self) -> None:
        family, kind, _, _, address = socket.getaddrinfo(
            self.server, PORT, type=socket.SOCK_STREAM
        )[0]
        self.socket = socket.socket(family, kind)
        self.socket.settimeout(SECONDS)
        if self.source:
            self.socket.bind((self.source, 0))
        if self.ip_options:
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, self.ip_options)
        self.socket.connect(address)
        self._keys: tuple | None = None
        self._sent = 0
        self.session_id = b""
        self.service_requested = False

    @property
    def source_ip(self) -> str:
        """This end's address, as getnameinfo() prints it: with a zone where it has one."""
        return socket.getnameinfo(self.socket.getsockname(), socket.NI_NUMERICHOST)[0]

    @property
    def source_port(self) -> int:
        """This end's port."""
        return self.socket.getsockname()[1]

    # How a connection ends.

    def close(self) -> None:
        """Close the connection (FIN)."""
        self.socket.close()

    def reset(self) -> None:
        """Reset the connection (RST)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def disconnect(
        self, text: bytes = b"disconnected by user", code: int = BY_APPLICATION
    ) -> None:
        """Say good-bye (RFC 4253 section 11.1) and close the connection."""
        self.send(bytes([DISCONNECT]) + struct.pack(">I", code) + string(text) + string(b""))
        self.wait_until_closed()

    def wait_until_closed(self) -> None:
        """Read until the server ends the connection, then close this end."""
        with contextlib.suppress(OSError):
            while self.socket.recv(65536):
                pass
        self.socket.close()

    # RFC 4253: transport.

    def exchange_banners(self, banner: bytes = BANNER + b"\r\n") -> bytes:
        """Send the client's banner; return the server's."""
        self.socket.sendall(banner)
        line = b""
        while not line.endswith(b"\n"):
            line += self._read(1)
        return line.rstrip(b"\r\n")

    def exchange_keys(self) -> None:
        """Do everything up to encrypted packets."""
        server_banner = self.exchange_banners()
        ours = self.kexinit()
        self.send(ours)
        theirs = self.receive(KEXINIT)
        private = X25519PrivateKey.generate()
        public = private.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
        self.send(bytes([KEX_ECDH_INIT]) + string(public))
        host_key, rest = take_string(self.receive(KEX_ECDH_REPLY)[1:])
        server_public, _ = take_string(rest)
        shared = private.exchange(X25519PublicKey.from_public_bytes(server_public))
        secret = mpint(int.from_bytes(shared, "big"))
        exchange = hashlib.sha256(
            b"".join(map(string, (BANNER, server_banner, ours, theirs, host_key, public)))
            + string(server_public)
            + secret
        ).digest()
        self.session_id = exchange
        self.send(bytes([NEWKEYS]))
        self.receive(NEWKEYS)
        self._keys = (self._key_set(secret, b"ACE"), self._key_set(secret, b"BDF"))

    def kexinit(self) -> bytes:
        """Return this client's offer."""
        lists = b"".join(map(string, self.algorithms))
        return bytes([KEXINIT]) + os.urandom(16) + lists + b"\0" * 5

    def send(self, payload: bytes) -> None:
        """Send one packet."""
        self.socket.sendall(self.packet(payload))

    def packet(self, payload: bytes) -> bytes:
        """Return one packet as it goes over the wire; its sequence number counts as used."""
        block = 16 if self._keys else 8
        padding = block - (len(payload) + 5) % block
        padding += block if padding < 4 else 0
        clear = struct.pack(">IB", len(payload) + padding + 1, padding) + payload + b"\0" * padding
        number, self._sent = self._sent, self._sent + 1
        if self._keys is None:
            return clear
        cipher, _, mac = self._keys[0]
        return cipher.update(clear) + _mac(mac, number, clear)

    def receive(self, *wanted: int) -> bytes:
        """Return the next packet's payload whose type is wanted; others are passed over.

        Raises:
            HungUpError: the server ends the connection instead.
        """
        while True:
            payload = self._receive()
            if payload[0] == DISCONNECT:
                raise HungUpError(payload[9:].decode("ascii", "replace"))
            if payload[0] in wanted:
                return payload

    def _receive(self) -> bytes:
        if self._keys is None:
            length = struct.unpack(">I", self._read(4))[0]
            clear = self._read(length)
        else:
            _, cipher, _ = self._keys[1]
            first = cipher.update(self._read(16))
            length = struct.unpack(">I", first[:4])[0]
            clear = first[4:] + cipher.update(self._read(length - 12))
            self._read(32)
        return clear[1 : length - clear[0]]

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise HungUpError
            data += more
        return data

    def _key_set(self, secret: bytes, letters: bytes) -> tuple:
        """Return cipher and MAC key of one direction (RFC 4253 section 7.2)."""
        iv, key, mac = (
            hashlib.sha256(secret + self.session_id + bytes([letter]) + self.session_id).digest()
            for letter in letters
        )
        cipher = Cipher(algorithms.AES(key[:16]), modes.CTR(iv[:16]))
        return cipher.encryptor(), cipher.decryptor(), mac

    # RFC 4252: authentication.

    def request_service(self, name: bytes = b"ssh-userauth") -> None:
        """Ask for the authentication service, or for another one."""
        self.send(bytes([SERVICE_REQUEST]) + string(name))
        self.receive(SERVICE_ACCEPT)
        self.service_requested = True

    def begin(self) -> SshClient:
        """Do everything up to the first request to authenticate."""
        self.exchange_keys()
        self.request_service()
        return self

    def try_none(self, user: bytes) -> str:
        """Ask to be let in without proof (RFC 4252 section 5.2)."""
        return self._attempt(user, "none", b"")

    def try_password(self, user: bytes, password: bytes) -> str:
        """Send a password (RFC 4252 section 8)."""
        return self._attempt(user, "password", b"\0" + string(password))

    def try_key(self, user: bytes, key: Key) -> str:
        """Prove to hold a key (RFC 4252 section 7)."""
        signed = self.request(user, "publickey", b"\1" + string(key.algorithm) + string(key.blob))
        signature = key.sign(string(self.session_id) + signed)
        return self._attempt_packet(signed + string(signature), user, "publickey", key.details)

    def offer_key(self, user: bytes, key: Key) -> str:
        """Ask whether a key would do (RFC 4252 section 7)."""
        fields = b"\0" + string(key.algorithm) + string(key.blob)
        return self._attempt(user, "publickey", fields, key.details)

    def try_host_key(self, user: bytes, key: Key, client_host: bytes, client_user: bytes) -> str:
        """Prove to be a host that the server trusts (RFC 4252 section 9)."""
        fields = (
            string(key.algorithm) + string(key.blob) + string(client_host) + string(client_user)
        )
        signed = self.request(user, "hostbased", fields)
        signature = key.sign(string(self.session_id) + signed)
        return self._attempt_packet(signed + string(signature), user, "hostbased", key.details)

    def try_keyboard(self, user: bytes, *answers: bytes) -> str:
        """Answer what the server asks (RFC 4256); without an answer, stop at the question."""
        method = "keyboard-interactive"
        verb = self._attempt(user, method, string(b"") * 2)
        if verb != "Postponed" or not answers:
            return verb
        body = bytes([USERAUTH_INFO_RESPONSE]) + struct.pack(">I", len(answers))
        packet = body + b"".join(map(string, answers))
        verb = self._attempt_packet(packet, user, "keyboard-interactive/pam", {})
        # PAM asks once more, for no answer, before it lets anybody in.
        while verb == "Postponed":
            packet = bytes([USERAUTH_INFO_RESPONSE]) + struct.pack(">I", 0)
            verb = self._attempt_packet(packet, user, "keyboard-interactive/pam", {})
        return verb

    def request(self, user: bytes, method: str, fields: bytes) -> bytes:
        """Return an authentication request."""
        names = string(user) + string(b"ssh-connection") + string(method.encode())
        return bytes([USERAUTH_REQUEST]) + names + fields

    def _attempt(self, user, method, fields, key=None, logged=None) -> str:
        packet = self.request(user, method, fields)
        return self._attempt_packet(packet, user, logged or method, key or {})

    def _attempt_packet(self, packet: bytes, user: bytes, method: str, key: dict) -> str:
        self.send(packet)
        attempt = Attempt("", user, method, key)
        self.attempts.append(attempt)
        try:
            answer = self.receive(USERAUTH_FAILURE, USERAUTH_SUCCESS, USERAUTH_PK_OK)
        except ConnectionError:
            attempt.verb = "Failed"
            raise
        partial = answer[0] == USERAUTH_FAILURE and answer[-1] == 1
        verbs = {USERAUTH_FAILURE: "Failed", USERAUTH_SUCCESS: "Accepted"}
        attempt.verb = "Partial" if partial else verbs.get(answer[0], "Postponed")
        return attempt.verb

    # RFC 4254: a session.

    def run(self, command: bytes) -> None:
        """Run a command in a session and wait for its end; nothing happens without a login."""
        if self.attempts[-1].verb != "Accepted":
            return
        self.send(
            bytes([CHANNEL_OPEN]) + string(b"session") + struct.pack(">III", 0, 1 << 20, 1 << 15)
        )
        try:
            self.receive(CHANNEL_CONFIRMATION)
        except ConnectionError:
            # The process without privileges said yes; its monitor did not.
            self.attempts[-1].verb = "Failed"
            raise
        request = struct.pack(">I", 0) + string(b"exec") + b"\0" + string(command)
        self.send(bytes([CHANNEL_REQUEST]) + request)
        self.receive(CHANNEL_CLOSE)
        self.send(bytes([CHANNEL_CLOSE]) + struct.pack(">I", 0))


def _mac(key: bytes, number: int, clear: bytes) -> bytes:
    return hmac.new(key, struct.pack(">I", number) + clear, "sha256").digest()
