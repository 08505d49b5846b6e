"""Troubles that real hosts have, made on purpose and mended again."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import yaml
from fleet import INVENTORY, REPOSITORY, STATE, on, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

FLEET = f"molecule-{INVENTORY.parent.name}"
HIDDEN_PYTHON = "/usr/bin/python3.hidden"


@contextmanager
def old_python(host: str) -> Iterator[None]:
    """Let a host's Python be 3.7, as far as anybody can see."""
    with no_python(host):
        on(host, "printf '#!/bin/sh\\necho 3.7\\n' >/usr/bin/python3; chmod 755 /usr/bin/python3")
        yield


@contextmanager
def no_python(host: str) -> Iterator[None]:
    """Take a host's Python away."""
    on(host, f"mv /usr/bin/python3 {HIDDEN_PYTHON}")
    try:
        yield
    finally:
        on(host, f"mv -f {HIDDEN_PYTHON} /usr/bin/python3")


@contextmanager
def taken_port(host: str, port: int) -> Iterator[None]:
    """Let another server have a port of a host."""
    on(host, f"systemd-run --quiet --unit=squatter python3 -m http.server {port}")
    try:
        wait_for("a listener", lambda: on(host, f"ss --no-header -ltn 'sport = :{port}'"))
        yield
    finally:
        on(host, "systemctl stop squatter")


@contextmanager
def foreign_caddyfile(host: str) -> Iterator[None]:
    """Let Debian's Caddy serve somebody's site, with that site below the file's own comments."""
    on(
        host,
        "apt-get install -qq --no-install-recommends caddy >/dev/null 2>&1; "
        "systemctl disable --now caddy 2>/dev/null; "
        "echo 'http://blog.example.org' >>/etc/caddy/Caddyfile",
    )
    try:
        yield
    finally:
        on(host, "apt-get purge -qq caddy >/dev/null 2>&1; rm -rf /etc/caddy /var/lib/caddy")


@contextmanager
def damaged_database(host: str) -> Iterator[str]:
    """Let the collector find a database that is none; give its path."""
    folder = "/var/lib/watchtower"
    on(host, f"mkdir -p -m 0700 {folder}; echo 'not a database' >{folder}/watchtower.db")
    try:
        yield f"{folder}/watchtower.db"
    finally:
        on(host, f"rm -r {folder}")


@contextmanager
def host_name(host: str, name: str) -> Iterator[None]:
    """Let a host call itself otherwise."""
    on(host, f"hostname {name}")
    try:
        yield
    finally:
        on(host, f"hostname {host}")


@contextmanager
def no_package_archive(host: str) -> Iterator[None]:
    """Cut a host off from everything but its own network, with no package downloaded before."""
    route = on(host, "ip route show default").strip()
    cache = "/var/cache/apt/archives"
    on(host, f"ip route del {route}; mv {cache} {cache}.away; mkdir -p {cache}/partial")
    try:
        yield
    finally:
        on(host, f"ip route add {route}; rm -rf {cache}; mv {cache}.away {cache}")


@contextmanager
def switched_off(host: str) -> Iterator[None]:
    """Shut a host down, and start it again afterwards."""
    testhosts("stop", FLEET, host)
    try:
        yield
    finally:
        start_hosts()


@contextmanager
def power_cut(host: str) -> Iterator[None]:
    """Take a host's power away, and give it back afterwards."""
    testhosts("crash", FLEET, host)
    try:
        yield
    finally:
        start_hosts()


def start_hosts() -> None:
    """Start the hosts that are down. One that was may have another address."""
    inventory = yaml.safe_load((INVENTORY / "hosts.yml").read_text())["all"]["children"]
    hosts = [
        f"{name}:{variables['debian_suite']}"
        for group in inventory.values()
        for name, variables in group["hosts"].items()
        # A host of two groups is described in one of them.
        if "debian_suite" in variables
    ]
    testhosts("up", FLEET, str(STATE), *hosts)


def testhosts(*arguments: str) -> None:
    """Call the script that makes the hosts."""
    subprocess.run([REPOSITORY / "molecule/shared/testhosts", *arguments], check=True)
