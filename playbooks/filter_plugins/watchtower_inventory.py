"""Ansible filter: what is wrong with an inventory, before any host is touched."""

from __future__ import annotations

import difflib
import ipaddress
import itertools
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

import yaml
from jinja2 import TemplateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Settings: TypeAlias = "Mapping[str, Any]"

COLLECTORS = "watchtower_collector"
AGENTS = "watchtower_agents"
ROLES = Path(__file__).resolve().parents[2] / "roles"

SECRETS = (
    "watchtower_agent_token",
    "watchtower_collector_agent_token",
    "watchtower_collector_admin_api_key",
    "watchtower_collector_admin_api_key_previous",
    "watchtower_collector_metrics_key",
)
AGENT_TOKEN, SHARED_TOKEN, ADMIN_KEY, PREVIOUS_KEY, METRICS_KEY = SECRETS
# These may be empty, for none.
OPTIONAL_SECRETS = (SHARED_TOKEN, PREVIOUS_KEY, METRICS_KEY)
OVERLAP = "watchtower_agent_token_overlap_days"
MOST_OVERLAP_DAYS = 366
HOW_TO_MAKE_ONE = (
    "make one with `openssl rand -hex 32`, or remove the variable and let the first run make one"
)
CERTIFICATE_FILES = (
    "watchtower_caddy_tls_certificate_file",
    "watchtower_caddy_tls_key_file",
)
LABELS = ("region", "host_group", "severity")
SECRET_LENGTH = 32
SECRET = re.compile(r"[A-Za-z0-9_-]*")
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:/-]{0,63}|")
# RFC 1123, section 2.1: labels of up to 63 letters, digits and hyphens, 253 characters in all.
NAME_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST_NAME = re.compile(rf"(?!.{{254}}){NAME_LABEL}(?:\.{NAME_LABEL})*\.?")
ADDRESS = re.compile(r"[0-9.]+")


def known_variables(roles: Path = ROLES) -> set[str]:
    """Return every variable that the roles' argument specifications document."""
    names: set[str] = set()
    for spec in roles.glob("*/meta/argument_specs.yml"):
        entries = yaml.safe_load(spec.read_text())["argument_specs"].values()
        names.update(name for entry in entries for name in entry["options"])
    return names


def unknown_variables(variables: Settings, known: set[str]) -> Iterator[str]:
    """Yield a sentence for each variable that looks like ours and is not."""
    for name in sorted(variables):
        if name.startswith("watchtower_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "see the roles' argument_specs.yml"
            yield f"{name} is no variable of Watchtower; {hint}"


def bad_secrets(variables: Settings) -> Iterator[str]:
    """Yield a sentence for each secret that is too weak, never showing it."""
    for name in SECRETS:
        if name not in variables:
            continue
        secret = "" if variables[name] is None else str(variables[name])
        if not secret and name in OPTIONAL_SECRETS:
            continue
        if len(secret) < SECRET_LENGTH:
            yield (
                f"{name} has {len(secret)} characters, and {SECRET_LENGTH} are the least; "
                f"{HOW_TO_MAKE_ONE}"
            )
        elif not SECRET.fullmatch(secret):
            yield f"{name} has characters other than letters, digits, _ and -; {HOW_TO_MAKE_ONE}"


def same_secrets(variables: Settings) -> Iterator[str]:
    """Yield a sentence for each two secrets of the collector's that are the same.

    The collector would not start with them.
    """
    names = [name for name in SECRETS if name != AGENT_TOKEN and variables.get(name)]
    for first, second in itertools.combinations(names, 2):
        if variables[first] == variables[second]:
            yield (
                f"{first} and {second} are the same; whoever has one could do what the other is "
                f"for. Make two"
            )


def bad_url(variables: Settings) -> Iterator[str]:
    """Yield a sentence for a collector's URL that an agent cannot use, without its password."""
    url = variables.get("watchtower_agent_collector_url")
    if url is None:
        return
    try:
        parts = urlsplit(str(url))
        port_is_sound = parts.port != 0
    except ValueError:
        yield "watchtower_agent_collector_url is no URL; it is https://NAME or https://NAME:PORT"
        return
    if parts.username is not None:
        yield (
            "watchtower_agent_collector_url carries a user name; the agents show their token "
            "instead. It is https://NAME or https://NAME:PORT"
        )
    elif parts.scheme != "https":
        yield (
            f"watchtower_agent_collector_url is {str(url)!r}; it must begin with https://, "
            f"because the agents' token travels with every request"
        )
    elif (
        not parts.hostname
        or not port_is_sound
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
    ):
        yield (
            f"watchtower_agent_collector_url is {str(url)!r}; it is https://NAME or "
            f"https://NAME:PORT, without a path (the agent adds /login)"
        )


def bad_site(variables: Settings) -> Iterator[str]:
    """Yield a sentence for a site address that is no name.

    An address will not do: a client that connects to one names no site (RFC 6066, section 3).
    """
    site = variables.get("watchtower_caddy_site_address")
    if site is None or (HOST_NAME.fullmatch(str(site)) and not ADDRESS.fullmatch(str(site))):
        return
    yield (
        f"watchtower_caddy_site_address is {str(site)!r}; it is a host name such as "
        f"collector.example.org, not an address, without https:// and without a port"
    )


def bad_networks(variables: Settings) -> Iterator[str]:
    """Yield a sentence for each admin network that is none."""
    name = "watchtower_caddy_admin_networks"
    if name not in variables:
        return
    if not isinstance(variables[name], list):
        yield f"{name} is not a list; write it as [127.0.0.0/8, 192.0.2.0/24]"
        return
    for network in variables[name]:
        try:
            ipaddress.ip_network(str(network))
        except ValueError as error:
            yield f"{name}: {error}; a network is written 192.0.2.0/24 or 2001:db8::/32"


def bad_certificate(variables: Settings) -> Iterator[str]:
    """Yield a sentence when the certificate's origin and the files given for it do not fit."""
    if variables.get("watchtower_caddy_tls") != "files":
        return
    for name in CERTIFICATE_FILES:
        if not variables.get(name):
            yield f"watchtower_caddy_tls is files, and {name} is not set; set it to a path there"


def bad_labels(variables: Settings) -> Iterator[str]:
    """Yield a sentence for each label that an environment file could not carry."""
    for label in LABELS:
        name = f"watchtower_agent_{label}"
        value = variables.get(name)
        if value is not None and not LABEL.fullmatch(str(value)):
            yield (
                f"{name} is {str(value)!r}; a label is up to 64 letters, digits, spaces and "
                f"._:/- and begins with a letter or digit"
            )


def bad_overlap(variables: Settings) -> Iterator[str]:
    """Yield a sentence for an overlap of tokens that the collector would refuse."""
    days = variables.get(OVERLAP)
    if days is None:
        return
    text = str(days)
    if not re.fullmatch("[0-9]{1,3}", text) or int(text) > MOST_OVERLAP_DAYS:
        yield f"{OVERLAP} is {text!r}; it is a whole number of days from 0 to {MOST_OVERLAP_DAYS}"


CHECKS: tuple[Callable[[Settings], Iterator[str]], ...] = (
    bad_secrets,
    same_secrets,
    bad_url,
    bad_site,
    bad_networks,
    bad_certificate,
    bad_labels,
    bad_overlap,
)


def group_mistakes(
    groups: Mapping[str, list[str]], hostvars: Mapping[str, Settings]
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


def own_agents(groups: Mapping[str, list[str]], settings: Mapping[str, Settings]) -> list[str]:
    """Return the agents that report to the collector of this inventory."""
    agents = groups.get(AGENTS) or []
    return [host for host in agents if "watchtower_agent_collector_url" not in settings[host]]


def disagreements(
    collector: Settings, agents: list[str], settings: Mapping[str, Settings]
) -> Iterator[str]:
    """Yield a sentence for each setting in which agents do not fit their collector."""
    yield from keys_given_away(collector, agents, settings)
    yield from tokens_of_several(collector, agents, settings)
    tls = collector.get("watchtower_caddy_tls", "internal")
    unset = [host for host in agents if "watchtower_agent_ca_file" not in settings[host]]
    if tls != "internal" and unset:
        yield (
            f"{and_more(unset)}: watchtower_agent_ca_file is not set, and with "
            f'watchtower_caddy_tls {tls} there is no CA to fetch. Set it to "" for a certificate '
            f"of a public CA, or to the file of your own CA"
        )


def keys_given_away(
    collector: Settings, agents: list[str], settings: Mapping[str, Settings]
) -> Iterator[str]:
    """Yield a sentence for each admin key of the collector's that agents show as their token."""
    for name in (ADMIN_KEY, PREVIOUS_KEY):
        key = collector.get(name)
        if holders := [host for host in agents if key and settings[host].get(AGENT_TOKEN) == key]:
            yield (
                f"{and_more(holders)}: {AGENT_TOKEN} is the collector's {name}; whoever is root "
                f"there would hold the key to all events. Make two"
            )


def tokens_of_several(
    collector: Settings, agents: list[str], settings: Mapping[str, Settings]
) -> Iterator[str]:
    """Yield a sentence for each token that several agents have, and that is not the shared one."""
    sharing = defaultdict(list)
    for host in agents:
        if token := settings[host].get(AGENT_TOKEN):
            sharing[token].append(host)
    for token, hosts in sharing.items():
        if len(hosts) > 1 and token != collector.get(SHARED_TOKEN):
            yield (
                f"{and_more(hosts)}: they have the same {AGENT_TOKEN}, so each could report "
                f"logins in the name of the others. Remove the variable, and each gets its own; "
                f"or, if they are to share one, set {SHARED_TOKEN} for the collector to the same"
            )


def several_inventories(
    hosts: list[str], hostvars: Mapping[str, Settings], settings: Mapping[str, Settings]
) -> Iterator[str]:
    """Yield a sentence when hosts would look for what is kept beside different inventories."""
    folders = defaultdict(list)
    for host in hosts:
        if not settings[host].keys() >= {AGENT_TOKEN, "watchtower_agent_ca_file"}:
            folders[hostvars[host].get("inventory_dir")].append(host)
    if len(folders) > 1:
        places = "; ".join(f"{and_more(found)} in {folder}" for folder, found in folders.items())
        yield (
            f"the hosts come from several inventories ({places}), and the secrets and the "
            f"collector's CA are kept beside one. Put the hosts into one folder, or set "
            f"{AGENT_TOKEN} and watchtower_agent_ca_file for the agents"
        )


def same_address(hosts: list[str], hostvars: Mapping[str, Settings]) -> Iterator[str]:
    """Yield a sentence for each address that stands under more than one name."""
    names = defaultdict(list)
    for host in hosts:
        variables = hostvars[host]
        address = variables.get("ansible_host", host)
        # The same address behind another jump host is another machine.
        jump = variables.get("ansible_ssh_common_args")
        names[address, variables.get("ansible_port", 22), jump].append(host)
    for (address, *_), sharing in names.items():
        if len(sharing) > 1:
            yield (
                f"{' and '.join(sharing)} are the same machine ({address}); "
                f"keep one of the names, or correct ansible_host"
            )


def settings_of(variables: Settings, known: set[str]) -> tuple[dict[str, Any], list[str]]:
    """Return what a host sets of Watchtower's variables, and a sentence for each it cannot."""
    settings, mistakes = {}, []
    for name in variables:
        if name not in known:
            continue
        try:
            value = variables[name]
            # Ansible fills templates in when they are looked at.
            settings[name] = list(value) if isinstance(value, list) else value
            str(settings[name])
        except TemplateError as error:
            settings.pop(name, None)
            mistakes.append(
                f"{name} cannot be filled in: {error}; set what it refers to, correct it, "
                f"or, for a vault, give its password (--ask-vault-pass)"
            )
    return settings, mistakes


def and_more(hosts: list[str]) -> str:
    """Return the first host's name and how many more there are."""
    return f"{hosts[0]} and {len(hosts) - 1} more" if len(hosts) > 1 else hosts[0]


def inventory_mistakes(
    hostvars: Mapping[str, Settings], groups: Mapping[str, list[str]]
) -> list[str]:
    """Return what is wrong with an inventory, one sentence each; empty when all is well.

    A mistake that a group of hosts shares is told once, with the number of hosts.
    """
    hosts = sorted({*(groups.get(COLLECTORS) or []), *(groups.get(AGENTS) or [])})
    known = known_variables()
    settings: dict[str, Settings] = {}
    found: dict[str, list[str]] = defaultdict(list)
    for host in hosts:
        settings[host], sentences = settings_of(hostvars[host], known)
        sentences += unknown_variables(hostvars[host], known)
        for check in CHECKS:
            sentences += check(settings[host])
        for sentence in sentences:
            found[sentence].append(host)
    collectors = groups.get(COLLECTORS) or []
    agents = own_agents(groups, settings)
    return [
        *group_mistakes(groups, hostvars),
        *same_address(hosts, hostvars),
        *several_inventories(hosts, hostvars, settings),
        *(disagreements(settings[collectors[0]], agents, settings) if collectors else ()),
        *(f"{and_more(affected)}: {sentence}" for sentence, affected in found.items()),
    ]


class FilterModule:
    """Ansible's way in."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file by name."""
        return {"watchtower_inventory_mistakes": inventory_mistakes}
