"""What the scenarios' tests share: the hosts, real SSH logins, and questions to the collector."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).resolve().parents[2]
INVENTORY = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "inventory"
STATE = INVENTORY / ".watchtower" / "fleet"
SSH_CONFIG = STATE / "ssh_config"
WAIT_SECONDS = 60
CA_ROOT = "/var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt"

T = TypeVar("T")


def hosts(group: str) -> list[str]:
    """Return the names of a group's hosts."""
    inventory = yaml.safe_load((INVENTORY / "hosts.yml").read_text())
    return list(inventory["all"]["children"][group]["hosts"])


def as_root(group: str) -> list[str]:
    """Return a group's hosts as testinfra addresses them, working as root over SSH."""
    return [f"ssh://{name}?ssh_config={SSH_CONFIG}&sudo=true" for name in hosts(group)]


def ssh(
    target: str, command: str = "true", stdin: str = "", **options: str
) -> subprocess.CompletedProcess[str]:
    """Log in to a host for real and run a command there.

    Options are ssh's own (ssh_config(5)), with ``password`` for a login by password.
    """
    argv = ["ssh", "-F", str(SSH_CONFIG)]
    environment = dict(os.environ)
    if (password := options.pop("password", None)) is not None:
        askpass = STATE / "askpass"
        if not askpass.exists():
            askpass.write_text('#!/bin/sh\nprintf "%s\\n" "$WATCHTOWER_TEST_PASSWORD"\n')
            askpass.chmod(0o700)
        environment |= {
            "SSH_ASKPASS": str(askpass),
            "SSH_ASKPASS_REQUIRE": "force",
            "WATCHTOWER_TEST_PASSWORD": password,
        }
        argv += ["-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1"]
        argv += ["-o", "PreferredAuthentications=password"]
    for name, value in options.items():
        argv += ["-o", f"{name}={value}"]
    return subprocess.run(
        [*argv, target, command],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        input=stdin,
        timeout=60,
    )


class Login(NamedTuple):
    """A login of ours, as sshd told its session.

    Among the many logins of a scenario a port comes again, so the time belongs to it.
    """

    since: str
    """Before it, ISO 8601 in UTC as events have it: the hosts share this machine's clock."""
    source_ip: str
    source_port: int

    def among(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return those of the events that are of this connection."""
        mine = {"source_ip": self.source_ip, "source_port": self.source_port}
        return [e for e in events if e["timestamp"] >= self.since and mine.items() <= e.items()]


def log_in(target: str, **options: str) -> Login:
    """Log in to a host for real, with the options of `ssh`.

    Raises:
        AssertionError: the host did not let us in.
    """
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    result = ssh(target, 'echo "$SSH_CONNECTION"', **options)
    assert result.returncode == 0, f"{target}: {result.stderr}"
    source_ip, source_port, *_ = result.stdout.split()
    return Login(since, source_ip, int(source_port))


def on(host: str, command: str, stdin: str = "") -> str:
    """Run a shell command on a host as root and return what it printed.

    What is secret goes through ``stdin``: sudo writes every command into the journal.

    Raises:
        AssertionError: the command failed.
    """
    result = ssh(host, f"sudo sh -euc {shell_quote(command)}", stdin)
    assert result.returncode == 0, f"{host}: {command}: {result.stderr}{result.stdout}"
    return result.stdout


def shell_quote(text: str) -> str:
    """Quote a text for a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def address(host: str) -> str:
    """Return a host's address on the scenario's network."""
    output = subprocess.run(
        ["ssh", "-F", str(SSH_CONFIG), "-G", host], capture_output=True, text=True, check=True
    ).stdout
    return next(line.split()[1] for line in output.splitlines() if line.startswith("hostname "))


def secret(name: str) -> str:
    """Return a secret of the scenario's inventory, by the name of its file."""
    return (INVENTORY / ".watchtower/secrets" / name).read_text().strip()


def token_of(host: str) -> str:
    """Return the token of a host's agent."""
    return secret(f"agent_tokens/{host}")


def curl(collector: str, path: str, *arguments: str, header: str = "") -> tuple[int, str]:
    """Send a request from the collector's host through Caddy, TLS verified.

    Returns the status and the body.
    """
    settings = f'header = "{header}"\n' if header else ""
    output = on(
        collector,
        f"curl -sS -w '\\n%{{http_code}}' -K - --cacert {CA_ROOT} "
        f"--resolve {collector}:443:127.0.0.1 {' '.join(map(shell_quote, arguments))} "
        f"{shell_quote(f'https://{collector}{path}')}",
        settings,
    )
    body, _, status = output.rpartition("\n")
    return int(status), body


def ask(collector: str, path: str, **filters: str) -> Any:
    """Ask the collector as an admin and return the JSON answer.

    Raises:
        AssertionError: an answer other than 200.
    """
    query = f"{path}?{urllib.parse.urlencode(filters)}"
    status, body = curl(collector, query, header=f"X-Admin-Api-Key: {secret('admin_api_key')}")
    assert status == 200, (status, body)
    return json.loads(body)


def wait_for(what: str, attempt: Callable[[], T], seconds: float = WAIT_SECONDS) -> T:
    """Try until something true comes back, and return it.

    Raises:
        AssertionError: it never did; the message says what was waited for.
    """
    deadline = time.monotonic() + seconds
    while True:
        if result := attempt():
            return result
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.5)


def stored_login(
    collector: str, host: str, login: Login, seconds: float = WAIT_SECONDS
) -> dict[str, Any]:
    """Wait until a login to a host is in the collector's store, and return its event.

    Raises:
        AssertionError: it never came, or it is there more than once.
    """
    filters = {"hostname": host, "type": "login", "since": login.since, "limit": "1000"}
    found = wait_for(
        f"the login to {host}, {login}",
        lambda: login.among(ask(collector, "/events", **filters)),
        seconds,
    )
    assert len(found) == 1, found
    return found[0]


def playbook(
    name: str, *arguments: str, inventory: Path = INVENTORY
) -> subprocess.CompletedProcess[str]:
    """Run one of the repository's playbooks, on the scenario's inventory or on another."""
    return subprocess.run(
        ["ansible-playbook", f"playbooks/{name}.yml", "-i", str(inventory), *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
        env=os.environ
        | {"ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"},
    )
