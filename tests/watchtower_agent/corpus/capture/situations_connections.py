"""Connections that end before anybody logs in: by the client, by mistake, by intent."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from configuration import version_of
from ssh_client import (
    ALGORITHMS,
    IGNORE,
    KEX_ECDH_INIT,
    KEXINIT,
    NEWKEYS,
    SERVICE_REQUEST,
    UNIMPLEMENTED,
    USERAUTH_INFO_RESPONSE,
    string,
)

if TYPE_CHECKING:
    from stage import Stage

# RFC 791: "record route", with room for one address.
RECORD_ROUTE = b"\x07\x07\x04\0\0\0\0\0"
# Where sshd takes such requests at all.
SERVERS = {"none": "127.1.0.9", "gssapi-with-mic": "127.1.0.18"}
BANNERS = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: ssh.example.org\r\n\r\n",
    "an empty line": b"\r\n",
    "TLS": bytes.fromhex("16030100e2010000de0303") + b"\xff" * 40 + b"\r\n",
    "no version": b"SSH-\r\n",
    "version 1": b"SSH-1.5-PuTTY\r\n",
    "version 3": b"SSH-3.0-future\r\n",
    "a NUL": b"SSH-2.0-a\0b\r\n",
    "9,000 bytes": b"x" * 9000 + b"\r\n",
    "words of sshd's": b"Accepted password for root from 1.2.3.4 port 22 ssh2\r\n",
    "an address": b'x" Connection closed by 1.2.3.4 port 22\r\n',
    "escapes": "\\ \x1b[31m \u202e ü".encode() + b"\r\n",
    "a scanner's": b"SSH-2.0-SSH_Version_Mapper from 1.2.3.4 port 22 with x. Don't panic.\r\n",
    "a prober's": b"SSH-2.0-Probe-1 from 1.2.3.4 port 22\r\n",
}
# What the client offers instead, by what nobody else has: RFC 4253 section 7.1.
OFFERS = {
    "key exchange": (0, b"diffie-hellman-group1-sha1"),
    "host key": (1, b"ssh-dss"),
    "cipher": (2, b"arcfour,3des-cbc"),
    "MAC": (4, b"hmac-md5,hmac-md5-96"),
    "compression": (6, b"zip"),
    "key exchange with an address": (0, b"x from 1.2.3.4 port 22 [preauth]"),
    "key exchange with words of sshd's": (0, b"a: no matching cipher found. Their offer: b"),
    "key exchange that is too long": (0, b"x" * 600),
    "key exchange with escapes": (0, b"\\n\xff\n"),
}
GOOD_BYES = {
    "PuTTY's": (b"Unable to authenticate", 14),
    "without words": (b"", 11),
    "words of sshd's": (b"x [preauth]", 11),
    "an address": (b"Connection closed by 1.2.3.4 port 22", 11),
    "escapes": ("\\ \n\x1b[31m \u202e".encode(), 2),
    "500 bytes": (b"bye " * 125, 11),
}


def endings(stage: Stage) -> None:
    """The client goes away, at every step."""
    for how in ("close", "reset"):
        with stage.situation(f"{how} at once"):
            client = stage.connect()
            getattr(client, how)()
        with stage.situation(f"{how} after the banners"):
            client = stage.connect("::1")
            client.exchange_banners()
            getattr(client, how)()
        with stage.situation(f"{how} after the key exchange"):
            client = stage.connect(stage.link_local())
            client.exchange_keys()
            getattr(client, how)()
    with stage.situation("good-bye after the key exchange"):
        client = stage.connect()
        client.exchange_keys()
        client.disconnect()
    for name, (text, code) in GOOD_BYES.items():
        with stage.situation(f"good-bye: {name}"):
            client = stage.connect().begin()
            client.try_none(b"alice")
            client.disconnect(text, code)


def banners(stage: Stage) -> None:
    """What is not SSH."""
    for name, banner in BANNERS.items():
        with stage.situation(f"banner: {name}"):
            client = stage.connect()
            client.exchange_banners(banner)
            client.wait_until_closed()
    with stage.situation("half a banner"):
        client = stage.connect()
        client.socket.sendall(b"SSH-2.0-half")
        client.close()


def offers(stage: Stage) -> None:
    """Nothing that both know."""
    for name, (place, offer) in OFFERS.items():
        algorithms = list(ALGORITHMS)
        algorithms[place] = offer
        if place in {2, 4, 6}:
            algorithms[place + 1] = offer
        with stage.situation(f"no common {name}"):
            stage.connect(algorithms=tuple(algorithms)).exchange_keys()


def broken_packets(stage: Stage) -> None:
    """Packets that make no sense, before and after the key exchange."""
    for name, data in (
        ("noise", b"\xff" * 64),
        ("a length of nothing", b"\0" * 64),
        ("too much padding", struct.pack(">IB", 12, 200) + b"\0" * 11),
        ("a KEXINIT that ends early", struct.pack(">IB", 12, 4) + bytes([KEXINIT]) + b"\0" * 10),
    ):
        with stage.situation(f"after the banners: {name}"):
            client = stage.connect()
            client.exchange_banners()
            client.socket.sendall(data)
            client.wait_until_closed()
    for name, packet in (
        ("NEWKEYS", bytes([NEWKEYS])),
        ("a key that is too short", bytes([KEX_ECDH_INIT]) + string(b"short")),
        ("a packet without a key", bytes([KEX_ECDH_INIT])),
        ("a packet of a type that nobody knows", bytes([250])),
    ):
        with stage.situation(f"in the key exchange: {name}"):
            client = stage.connect()
            client.exchange_banners()
            client.send(client.kexinit())
            client.receive(KEXINIT)
            client.send(packet)
            client.receive(UNIMPLEMENTED)
    with stage.situation("strict key exchange that begins with another packet"):
        strict = (ALGORITHMS[0] + b",kex-strict-c-v00@openssh.com", *ALGORITHMS[1:])
        client = stage.connect(algorithms=strict)
        client.exchange_banners()
        client.send(bytes([IGNORE]) + string(b""))
        client.send(client.kexinit())
        client.wait_until_closed()
    with stage.situation("strict key exchange with a packet in between"):
        client = stage.connect(algorithms=strict)
        client.exchange_banners()
        client.send(client.kexinit())
        client.send(bytes([IGNORE]) + string(b""))
        client.wait_until_closed()
    for name, user in (
        ("nobody's name yet", None),
        ("alice's name", b"alice"),
        ("a name", b"x\\"),
    ):
        with stage.situation(f"a wrong MAC, {name}"):
            client = stage.connect().begin()
            if user is not None:
                client.try_none(user)
            packet = client.packet(bytes([IGNORE]) + string(b"x"))
            client.socket.sendall(packet[:-1] + bytes([packet[-1] ^ 1]))
            client.wait_until_closed()
    with stage.situation("noise instead of a cipher text"):
        client = stage.connect().begin()
        client.socket.sendall(os.urandom(4096))
        client.close()
    with stage.situation("noise after login"):
        client = stage.connect().begin()
        client.try_key(b"alice", stage.cast.keys["ed25519"])
        client.socket.sendall(os.urandom(4096))
        client.close()


def wrong_requests(stage: Stage) -> None:
    """Requests that are well wrapped and badly made."""
    for service in (b"ssh-connection", b"x 1.2.3.4 port 22: Too many authentication failures"):
        with stage.situation("a service that is not there yet"):
            client = stage.connect()
            client.exchange_keys()
            client.send(bytes([SERVICE_REQUEST]) + string(service))
            client.wait_until_closed()
    with stage.situation("answers that nobody asked for"):
        client = stage.connect().begin()
        client.send(bytes([USERAUTH_INFO_RESPONSE]) + b"\0" * 4)
        client.try_none(b"alice")
    for method, fields in (
        ("none", b"more"),
        ("password", b"\0"),
        ("publickey", b""),
        ("publickey", b"\1" + string(b"ssh-ed25519")),
        ("gssapi-with-mic", b""),
        ("gssapi-with-mic", b"\0\0\0\1"),
        ("keyboard-interactive", b""),
    ):
        with stage.situation(f"{method} with a request that makes no sense"):
            client = stage.connect(SERVERS.get(method, "127.0.0.1")).begin()
            client.send(client.request(b"alice", method, fields))
            client.wait_until_closed()
    with stage.situation("hostbased with a request that makes no sense"):
        client = stage.connect("127.1.0.11").begin()
        client.send(client.request(b"alice", "hostbased", string(b"ssh-ed25519")))
        client.wait_until_closed()
    key = stage.cast.keys["ed25519"]
    offer = string(key.algorithm) + string(key.blob)
    signed = b"\1" + offer + string(b"")
    for name, fields in (("an offer", b"\0" + offer), ("a signature", signed)):
        with stage.situation(f"{name} of a key with something behind it"):
            client = stage.connect().begin()
            client.send(client.request(b"alice", "publickey", fields + b"more"))
            client.wait_until_closed()
    if version_of(stage.version) >= version_of("9.2"):
        _hostbound_requests(stage)
    for name, body in (
        ("no answer", struct.pack(">I", 0)),
        ("too many answers", struct.pack(">I", 2**31)),
        ("half a number", b"\0\0"),
        ("a number without its answer", struct.pack(">I", 1)),
    ):
        with stage.situation(f"keyboard-interactive: {name}"):
            client = stage.connect().begin()
            client.try_keyboard(b"alice")
            client.send(bytes([USERAUTH_INFO_RESPONSE]) + body)
            client.wait_until_closed()
    with stage.situation("IP options"):
        client = stage.connect(ip_options=RECORD_ROUTE)
        client.wait_until_closed()


def _hostbound_requests(stage: Stage) -> None:
    """PROTOCOL section 3.1: a public key's request that names the server's host key."""
    key = stage.cast.keys["ed25519"]
    host_key = string(b"ssh-ed25519") + string(b"\0" * 32)
    for name, last in (("no host key", b""), ("another host key", host_key)):
        with stage.situation(f"publickey bound to the host: {name}"):
            client = stage.connect().begin()
            fields = b"\1" + string(key.algorithm) + string(key.blob) + string(last) + string(b"")
            method = "publickey-hostbound-v00@openssh.com"
            client.send(client.request(b"alice", method, fields))
            client.wait_until_closed()
