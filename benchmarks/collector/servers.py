"""The processes that are measured, and the proxy before them."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import jinja2
from measures import Process

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
TOKEN = secrets.token_urlsafe()
CADDYFILE = REPOSITORY / "roles/watchtower_caddy/templates/Caddyfile.j2"
_DEADLINE = 60.0
# As watchtower-collector.socket has it.
_BACKLOG = 4_096
# systemd hands the socket over as descriptor 3.
_LAUNCHER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, "-m", "watchtower_collector"])
"""


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        ca_file: the roots to trust where it speaks TLS.
    """

    port: int
    process: Process
    host: str = "127.0.0.1"
    ca_file: Path | None = None


@contextlib.contextmanager
def _process(command: list[str], environment: dict[str, str], log: Path, **options):
    """Run a process for the time of the block, and stop it as systemd does."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, **options
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(process: subprocess.Popen, log: Path, attempt) -> None:
    """Call ``attempt`` until it raises nothing; say what the process wrote when it never does."""
    deadline = time.monotonic() + _DEADLINE
    while True:
        try:
            return attempt()
        except (httpx.TransportError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{process.args[0]} does not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)


def _ask(url: str, context=True) -> None:
    httpx.get(url, verify=context, timeout=_DEADLINE, trust_env=False)


@contextlib.contextmanager
def collector(database: Path) -> Iterator[Server]:
    """Run the collector as its unit does, on a socket that was handed over."""
    with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listener:
        number, port = listener.fileno(), listener.getsockname()[1]
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPOSITORY / "src"),
            "LISTEN_FDS": "1",
            "ADMIN_API_KEY": secrets.token_urlsafe(),
            "WATCHTOWER_AGENT_TOKEN": TOKEN,
            "WATCHTOWER_DB_PATH": str(database),
            # The year of history stays as it is, its heartbeats too.
            "WATCHTOWER_HEARTBEAT_DAYS": "0",
        }
        command = [sys.executable, "-c", _LAUNCHER, str(number)]
        log = database.with_suffix(".log")
        with _process(command, environment, log, pass_fds=[number]) as process:
            _await(process, log, lambda: _ask(f"http://127.0.0.1:{port}/healthz"))
            yield Server(port, Process(process.pid))


@contextlib.contextmanager
def naive(database: Path) -> Iterator[Server]:
    """Run the baseline of single events, as its author would."""
    with unused_port() as port:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parent),
            "NAIVE_DB": str(database),
            "NAIVE_TOKEN": TOKEN,
        }
        command = [sys.executable, "-m", "uvicorn", "naive:app", "--port", str(port)]
        log = database.with_suffix(".log")
        with _process([*command, "--no-access-log"], environment, log) as process:
            _await(process, log, lambda: _ask(f"http://127.0.0.1:{port}/docs"))
            yield Server(port, Process(process.pid))


def caddy_program(cache: Path) -> Path:
    """Return Debian's Caddy, unpacked without installing it: that would start a service."""
    folder = cache / "caddy"
    program = folder / "usr/bin/caddy"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(
                ["apt-get", "download", "caddy"], cwd=folder, check=True, capture_output=True
            )
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip()
            sys.exit(f"could not download Debian's caddy: {said}\nTry: apt-get update")
        (package,) = folder.glob("caddy_*.deb")
        subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    return program


@contextlib.contextmanager
def caddy(program: Path, upstream: Server, folder: Path) -> Iterator[Server]:
    """Run Caddy before a server, by the role's Caddyfile, with a CA of its own."""
    with unused_port() as port:
        admin = folder / "admin.sock"
        text = jinja2.Template(CADDYFILE.read_text(), trim_blocks=True).render(
            __watchtower_caddy_own="# Of a benchmark",
            watchtower_caddy_site_address=f"localhost:{port}",
            watchtower_caddy_tls="internal",
            watchtower_caddy_acme_email="",
            watchtower_caddy_admin_networks=["127.0.0.0/8", "::1/128"],
            watchtower_caddy_upstream=f"127.0.0.1:{upstream.port}",
        )
        # The one thing that only a service has: a folder under /run.
        socket_of_service = "unix//run/caddy/admin.sock"
        assert socket_of_service in text, text
        (folder / "Caddyfile").write_text(text.replace(socket_of_service, f"unix/{admin}"))
        command = [str(program), "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
        home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        log = folder / "caddy.log"
        with _process(command, home, log, cwd=folder) as process:
            root = folder / "caddy/pki/authorities/local/root.crt"

            def attempt() -> None:
                root.stat()
                _ask(f"https://localhost:{port}/healthz", str(root))

            _await(process, log, attempt)
            yield Server(port, Process(process.pid), "localhost", root)


@contextlib.contextmanager
def unused_port() -> Iterator[int]:
    """Hold a port for one process that will listen on it by its number.

    The kernel gives a bound port to nobody who asks for any, and lets one who asks for this one
    have it, as both reuse addresses, socket(7).
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
