"""Ansible filter: what is wrong with an inventory, before any host is touched."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

COLLECTORS = "watchtower_collector"
AGENTS = "watchtower_agents"
ROLES = Path(__file__).resolve().parents[2] / "roles"

SECRETS = (
    "watchtower_agent_token",
    "watchtower_collector_agent_token",
    "watchtower_collector_admin_api_key",
)
LABELS = ("region", "host_group", "severity")
SECRET_LENGTH = 32
SECRET = re.compile(r"[A-Za-z0-9_-]*")
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:/-]{0,63}|")
# RFC 1123, section 2.1; an address may stand there, too.
HOST_NAME = re.compile(
    r"(?!.{254})([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.?)+|\[?[0-9a-f:.]+\]?"
)


def known_variables(roles: Path = ROLES) -> set[str]:
    """Return every variable that the roles' argument specifications document."""
    names: set[str] = set()
    for spec in roles.glob("*/meta/argument_specs.yml"):
        entries = yaml.safe_load(spec.read_text())["argument_specs"].values()
        names.update(name for entry in entries for name in entry["options"])
    return names


def unknown_variables(variables: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    """Yield a sentence for each variable that looks like ours and is not."""
    for name in sorted(variables):
        if name.startswith("watchtower_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "see the roles' argument_specs.yml"
            yield f"{name} is no variable of Watchtower; {hint}"


def bad_secrets(variables: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each secret that is too weak, never showing it."""
    for name in SECRETS:
        secret = variables.get(name)
        if secret is None:
            continue
        if len(str(secret)) < SECRET_LENGTH:
            yield (
                f"{name} has {len(str(secret))} characters, and {SECRET_LENGTH} are the least; "
                f"make one with `openssl rand -hex 32`, or remove the variable and let the first "
                f"run make one"
            )
        elif not SECRET.fullmatch(str(secret)):
            yield f"{name} has characters other than letters, digits, _ and -"
    key = variables.get("watchtower_collector_admin_api_key")
    for name in SECRETS[:2]:
        if key is not None and key == variables.get(name):
            yield (
                f"{name} and watchtower_collector_admin_api_key are the same; every agent would "
                f"hold the key to all events. Make two"
            )


def bad_addresses(variables: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each URL, name or network that cannot be one."""
    url = variables.get("watchtower_agent_collector_url")
    if url is not None:
        parts = urlsplit(str(url))
        if parts.scheme != "https":
            yield (
                f"watchtower_agent_collector_url is {url!r}; it must begin with https://, because "
                f"the agents' token travels with every request"
            )
        elif not parts.hostname or parts.path.strip("/") or parts.query or parts.username:
            yield (
                f"watchtower_agent_collector_url is {url!r}; it is https://NAME or "
                f"https://NAME:PORT, without a path (the agent adds /login)"
            )
    address = variables.get("watchtower_caddy_site_address")
    if address is not None and not HOST_NAME.fullmatch(str(address)):
        yield (
            f"watchtower_caddy_site_address is {address!r}; it is a bare host name such as "
            f"collector.example.org, without https:// and without a port"
        )
    networks = variables.get("watchtower_caddy_admin_networks", [])
    if isinstance(networks, str):
        yield "watchtower_caddy_admin_networks is one text; it is a list of networks"
        return
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            yield f"watchtower_caddy_admin_networks: {error}"


def bad_labels(variables: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each label that an environment file could not carry."""
    for label in LABELS:
        name = f"watchtower_agent_{label}"
        value = variables.get(name)
        if value is not None and not LABEL.fullmatch(str(value)):
            yield (
                f"{name} is {value!r}; a label is up to 64 letters, digits, spaces and ._:/- and "
                f"begins with a letter or digit"
            )


CHECKS: tuple[Callable[[Mapping[str, Any]], Iterator[str]], ...] = (
    bad_secrets,
    bad_addresses,
    bad_labels,
)


def group_mistakes(
    groups: Mapping[str, list[str]], hostvars: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Yield a sentence for each group of ours that cannot work.

    An inventory without a collector is sound when every agent is told of one elsewhere.
    """
    collectors = groups.get(COLLECTORS) or []
    agents = groups.get(AGENTS) or []
    told = [host for host in agents if "watchtower_agent_collector_url" in hostvars[host]]
    if not collectors and (not agents or len(told) < len(agents)):
        yield (
            f"no collector: put one host into the group {COLLECTORS} (or, for a collector that is "
            f"run from elsewhere, set watchtower_agent_collector_url for every agent)"
        )
    elif len(collectors) > 1:
        yield (
            f"{len(collectors)} collectors ({', '.join(collectors)}): "
            f"the group {COLLECTORS} takes one host"
        )
    if not agents:
        yield f"no agents: put the hosts to be watched into the group {AGENTS}"


def same_address(hosts: list[str], hostvars: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield a sentence for each address that stands under more than one name."""
    names = defaultdict(list)
    for host in hosts:
        variables = hostvars[host]
        names[variables.get("ansible_host", host), variables.get("ansible_port", 22)].append(host)
    for (address, _), sharing in names.items():
        if len(sharing) > 1:
            yield (
                f"{' and '.join(sharing)} are the same machine ({address}); "
                f"keep one of the names, or correct ansible_host"
            )


def inventory_mistakes(
    hostvars: Mapping[str, Mapping[str, Any]], groups: Mapping[str, list[str]]
) -> list[str]:
    """Return what is wrong with an inventory, one sentence each; empty when all is well.

    A mistake that a group of hosts shares is told once, with the number of hosts.
    """
    hosts = sorted({*(groups.get(COLLECTORS) or []), *(groups.get(AGENTS) or [])})
    known = known_variables()
    found: dict[str, list[str]] = defaultdict(list)
    for host in hosts:
        variables = {
            name: hostvars[host][name] if name in known else None
            for name in hostvars[host]
            if name.startswith("watchtower_")
        }
        for sentence in unknown_variables(variables, known):
            found[sentence].append(host)
        for check in CHECKS:
            for sentence in check(variables):
                found[sentence].append(host)
    mistakes = [*group_mistakes(groups, hostvars), *same_address(hosts, hostvars)]
    for sentence, affected in found.items():
        more = f" and {len(affected) - 1} more" if len(affected) > 1 else ""
        mistakes.append(f"{affected[0]}{more}: {sentence}")
    return mistakes


class FilterModule:
    """Ansible's way in."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file by name."""
        return {"watchtower_inventory_mistakes": inventory_mistakes}
