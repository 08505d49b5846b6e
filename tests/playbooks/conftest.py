"""What the tests of the playbooks share: the repository and a real HTTPS server."""

import datetime
import http.server
import importlib.util
import json
import os
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

REPOSITORY = Path(__file__).resolve().parents[2]
# Ansible of the environment that runs the tests.
ANSIBLE = Path(sys.executable).parent


@pytest.fixture(scope="session")
def repository():
    return REPOSITORY


@pytest.fixture(scope="session")
def ansible():
    """Run one of Ansible's commands in the repository and return what it printed."""

    def run(command, *arguments):
        return subprocess.run(
            [ANSIBLE / command, *arguments],
            cwd=REPOSITORY,
            env=os.environ | {"ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    return run


@pytest.fixture
def logins_module():
    """Return playbooks/library/watchtower_logins.py, imported."""
    path = REPOSITORY / "playbooks/library/watchtower_logins.py"
    spec = importlib.util.spec_from_file_location("watchtower_logins", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def certificate(name, issuer=None):
    """Make a certificate and its key: a CA's, or one for ``name`` signed by a CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer:
        names = [x509.DNSName(name), x509.IPAddress(ip_address("192.0.2.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    signed = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    return SimpleNamespace(
        subject=subject,
        key=key,
        pem=signed.public_bytes(serialization.Encoding.PEM).decode(),
        key_pem=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
    )


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers /events as the collector does, from a list in memory."""

    def do_GET(self):
        self.server.requests.append(self.path)
        if self.headers["X-Admin-Api-Key"] != self.server.key:
            self.answer(401, {"detail": "unauthorized"})
        else:
            status, body = self.server.answers.pop(0) if self.server.answers else (200, [])
            self.answer(status, body)

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture(scope="session")
def ca():
    return certificate("A test's CA")


@pytest.fixture
def another_ca():
    return certificate("A test's CA")


@pytest.fixture
def collector(ca, tmp_path):
    """Run an HTTPS server for collector.example.org on a free port of loopback.

    ``answers`` are the (status, body) pairs it gives, in turn; then empty lists.
    """
    mine = certificate("collector.example.org", issuer=ca)
    (tmp_path / "server.pem").write_text(mine.pem + mine.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # a client that refuses the certificate is expected
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    server.key, server.answers, server.requests = "a" * 48, [], []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def closed_port():
    """Return a port of loopback that is held by a socket nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="session")
def run_playbook(tmp_path_factory):
    """Run a playbook on an inventory, as an operator does, with an ssh that only takes notes.

    Returns the exit status, what was printed, and one entry for each call of ssh.
    """
    folder = tmp_path_factory.mktemp("ssh")
    notes = folder / "notes"
    ssh = folder / "ssh"
    ssh.write_text(f'#!/bin/sh\necho called >>"{notes}"\nexit 255\n')
    ssh.chmod(0o755)

    def run(name, inventory, *arguments):
        notes.write_text("")
        result = subprocess.run(
            [
                ANSIBLE / "ansible-playbook",
                f"playbooks/{name}.yml",
                "-i",
                str(inventory),
                *arguments,
            ],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=os.environ
            | {
                "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
                "ANSIBLE_FORCE_COLOR": "0",
                "ANSIBLE_SSH_EXECUTABLE": str(ssh),
            },
        )
        return SimpleNamespace(
            status=result.returncode,
            output=result.stdout + result.stderr,
            calls=notes.read_text().splitlines(),
        )

    return run


@pytest.fixture(scope="session")
def write_inventory(tmp_path_factory):
    """Write an inventory folder: its hosts.yml, given as text, and any files beside it."""

    def write(hosts, **files):
        folder = tmp_path_factory.mktemp("inventory")
        (folder / "hosts.yml").write_text(textwrap.dedent(hosts))
        for name, text in files.items():
            (folder / f"{name}.yml").write_text(textwrap.dedent(text))
        return folder

    return write
