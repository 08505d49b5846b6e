"""Real parts for the agent's tests: journal files, a collector that speaks HTTPS."""

from __future__ import annotations

import ipaddress
import json
import math
import socket
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from logins import ALL_HISTORY, BOOT
from processes import Agents

from watchtower_agent.journal import Journal
from watchtower_agent.parse import Parser
from watchtower_agent.reader import JournalReader
from watchtower_agent.spool import Spool
from watchtower_agent.wakeup import Wakeup

JOURNAL_REMOTE = Path("/lib/systemd/systemd-journal-remote")
MACHINE = "0123456789abcdef0123456789abcdef"
NOON = 1_763_899_200_000_000  # 2025-11-23T12:00:00Z in microseconds

SSHD_FIELDS = {
    "SYSLOG_IDENTIFIER": "sshd",
    "_COMM": "sshd",
    "_EXE": "/usr/sbin/sshd",
    "_HOSTNAME": "web-1",
    "_MACHINE_ID": MACHINE,
    "_PID": "4242",
    "_SYSTEMD_UNIT": "ssh.service",
    "_TRANSPORT": "syslog",
    "_UID": "0",
}


def sshd_fields(message, **changes):
    """Return the fields of an entry that sshd wrote; a change to None leaves a field out."""
    fields = {**SSHD_FIELDS, "MESSAGE": message, **changes}
    return {name: value for name, value in fields.items() if value is not None}


@dataclass
class JournalDirectory:
    """A folder of real journal files, written by systemd-journal-remote."""

    path: Path
    clock: int = NOON
    monotonic: int = 1_000_000
    files: list[Path] = field(default_factory=list)

    @property
    def source(self):
        return (f"--directory={self.path}",)

    def write(self, *entries, boot=BOOT, file="system.journal"):
        """Append entries, a second apart; each is a dict of fields or a message of sshd's.

        A list as the value of a field gives the field several times.
        """
        exported = b""
        for entry in entries:
            fields = entry if isinstance(entry, dict) else sshd_fields(entry)
            self.clock += 1_000_000
            self.monotonic += 1_000_000
            exported += (
                f"__REALTIME_TIMESTAMP={self.clock}\n__MONOTONIC_TIMESTAMP={self.monotonic}\n"
                f"_BOOT_ID={boot}\n"
            ).encode()
            for name, values in fields.items():
                for value in values if isinstance(values, list) else [values]:
                    raw = value if isinstance(value, bytes) else str(value).encode()
                    # Journal Export Format: a length before what may not be plain text.
                    length = len(raw).to_bytes(8, "little")
                    exported += name.encode() + b"\n" + length + raw + b"\n"
            exported += b"\n"
        target = self.path / file
        subprocess.run(
            [str(JOURNAL_REMOTE), "-o", str(target), "-"],
            input=exported,
            check=True,
            capture_output=True,
        )

    def let_pass(self, seconds):
        """Let time pass before the next entry."""
        self.clock += seconds * 1_000_000
        self.monotonic += seconds * 1_000_000

    def rotate(self, name):
        """Archive the current file, as journald does."""
        (self.path / "system.journal").rename(self.path / name)

    def damage(self, old, new, file="system.journal"):
        """Change bytes in a file, where they occur once."""
        content = (self.path / file).read_bytes()
        assert content.count(old) == 1
        assert len(old) == len(new)
        (self.path / file).write_bytes(content.replace(old, new))


@pytest.fixture(name="sshd_fields")
def sshd_fields_fixture():
    return sshd_fields


@pytest.fixture
def journal_directory(tmp_path):
    if not JOURNAL_REMOTE.exists():
        pytest.fail(f"{JOURNAL_REMOTE} is missing: apt-get install systemd-journal-remote")
    path = tmp_path / "journal"
    path.mkdir()
    return JournalDirectory(path)


@pytest.fixture
def stop():
    wakeup = Wakeup()
    yield wakeup
    wakeup.close()


@pytest.fixture
def boot(monkeypatch):
    """Choose which boot is the running one."""

    def choose(boot_id):
        monkeypatch.setattr("watchtower_agent.reader.current_boot_id", lambda: boot_id)

    choose(BOOT)
    return choose


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path, 100_000_000)
    yield spool
    spool.close()


@pytest.fixture
def start(journal_directory, spool, stop, boot):
    """Start a reader: as a new process would, on the same spool, or on one that took its place."""

    def reader(backfill_hours=ALL_HISTORY, spool=spool):
        journal = Journal(stop, journal_directory.source)
        return JournalReader(journal, spool, Parser(), backfill_hours, stop)

    return reader


@pytest.fixture
def reader(start):
    return start()


@pytest.fixture
def read_again(monkeypatch):
    """A function that lets a reader read a second time, to the end, and counts the steps."""
    for name in ("_PAUSE_SECONDS", "_SPREAD_SECONDS"):
        monkeypatch.setattr(f"watchtower_agent.second_reading.{name}", 0.0)

    def read(reader):
        for count in range(1, 200):
            if reader._second_reading.step() == math.inf:
                return count
        pytest.fail("it never ends")

    return read


@dataclass
class StandIn:
    """A collector over real TLS. ``script`` holds what to answer next; then it acknowledges."""

    url: str = ""
    script: list = field(default_factory=list)
    requests: list = field(default_factory=list)
    stored: dict = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)
    released: threading.Event = field(default_factory=threading.Event)
    tls: ssl.SSLContext = field(default_factory=lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))

    def present(self, pem):
        """Present this certificate from now on, to whoever connects anew."""
        self.tls.load_cert_chain(pem)

    def store(self, events):
        """Return a result for each event, as the collector does."""
        results = []
        for event in events:
            known = event["event_id"] in self.stored
            self.stored[event["event_id"]] = event
            results.append({"status": "duplicate" if known else "ok", "id": len(self.stored)})
        return results

    def wait_until(self, condition, seconds=30):
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self), seconds), self


def _handler(stand_in):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with stand_in.changed:
                stand_in.requests.append((self.path, dict(self.headers), events))
                answer = stand_in.script.pop(0) if stand_in.script else None
            if callable(answer):
                answer = answer(events)
            if answer == "black hole":
                with stand_in.changed:
                    stand_in.changed.notify_all()
                stand_in.released.wait(60)
                return
            if answer is None or answer == "lost":
                with stand_in.changed:
                    results = {"status": "ok", "results": stand_in.store(events)}
                status, headers, body = 201, {}, json.dumps(results).encode()
            else:
                status, headers, body = answer
            with stand_in.changed:
                stand_in.changed.notify_all()
            if answer == "lost":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


def _certificate(name, issuer=None, *, begin=-1, end=1, address="127.0.0.1"):
    """Make a key and a certificate, signed by an issuer or by itself; times in days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[1].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begin))
        .not_valid_after(now + timedelta(days=end))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    signer = issuer[0] if issuer else key
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    return key, builder.sign(signer, hashes.SHA256())


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    """Certificates of CAs, and of servers with their keys, as PEM files; some of no use."""
    folder = tmp_path_factory.mktemp("tls")
    ca = _certificate("Test CA")
    _write_pem(folder / "ca.pem", ca[1])
    for name, (begin, end) in {"other": (-1, 1), "expired": (-3, -2), "future": (2, 3)}.items():
        _write_pem(folder / f"{name}-ca.pem", _certificate(name, begin=begin, end=end)[1])
    for name, changes in {
        "server": {},
        "expired": {"begin": -3, "end": -2},
        "future": {"begin": 2, "end": 3},
        "elsewhere": {"address": "192.0.2.1"},
    }.items():
        key, certificate = _certificate(name, ca, **changes)
        _write_pem(folder / f"{name}.pem", certificate, key)
    return folder


def _write_pem(file, certificate, key=None):
    pem = serialization.Encoding.PEM
    content = certificate.public_bytes(pem)
    if key is not None:
        plain = serialization.NoEncryption()
        content += key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(content)


@pytest.fixture
def stand_in(tls):
    stand_in = StandIn()
    stand_in.present(tls / "server.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(stand_in))
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    server.socket = stand_in.tls.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    stand_in.url = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield stand_in
    stand_in.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def agents(stand_in, tls):
    agents = Agents(stand_in, tls / "ca.pem")
    yield agents
    agents.end()


@pytest.fixture
def journalctl_script(tmp_path, monkeypatch):
    """Put a script in journalctl's place, for what the real one does only when all goes wrong.

    In the script ``really`` is the real one. It gives the script's path.
    """

    def put(script):
        program = tmp_path / "journalctl"
        program.write_text(f'#!/bin/sh\nreally() {{ journalctl "$@"; }}\n{script}\n')
        program.chmod(0o755)
        monkeypatch.setattr("watchtower_agent.journalctl.PROGRAM", str(program))
        return program

    return put
