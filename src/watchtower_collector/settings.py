"""The settings of the collector, from the environment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from watchtower_collector.retention import Bounds

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECRET = re.compile(r"[A-Za-z0-9_-]{32,}", re.ASCII)
_HOW_TO_MAKE_ONE = "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe())'"


class SettingsError(Exception):
    """Some settings are missing or wrong; ``mistakes`` holds one sentence for each."""

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        super().__init__("; ".join(mistakes))


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number with its bounds, both included."""

    name: str
    default: int
    low: int
    high: int


PORT = Whole("WATCHTOWER_PORT", 8000, 1, 65_535)
MAX_BODY_BYTES = Whole("WATCHTOWER_MAX_BODY_BYTES", 8 << 20, 64 << 10, 64 << 20)
# An array of 1,000 events must always fit into an empty queue.
QUEUE_EVENTS = Whole("WATCHTOWER_QUEUE_EVENTS", 20_000, 1_000, 1_000_000)
# Days and megabytes (2^20 bytes) of which 0 stands for no bound.
RETENTION_DAYS = Whole("WATCHTOWER_RETENTION_DAYS", 0, 0, 36_500)
RETENTION_MB = Whole("WATCHTOWER_RETENTION_MB", 0, 0, 100_000_000)
HEARTBEAT_DAYS = Whole("WATCHTOWER_HEARTBEAT_DAYS", 7, 0, 36_500)
WHOLES = (PORT, MAX_BODY_BYTES, QUEUE_EVENTS, RETENTION_DAYS, RETENTION_MB, HEARTBEAT_DAYS)
DEFAULT_HOST = "127.0.0.1"
DEFAULT_DB_PATH = "/var/lib/watchtower/watchtower.db"
NAMES = frozenset(
    {
        "ADMIN_API_KEY",
        "ADMIN_API_KEY_PREVIOUS",
        "WATCHTOWER_AGENT_TOKEN",
        "WATCHTOWER_DB_PATH",
        "WATCHTOWER_HOST",
        *(setting.name for setting in WHOLES),
    }
)


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """Checked settings. Without a ``repr``: it would show the secrets."""

    admin_api_key: str
    admin_api_key_previous: str | None
    """Good as well, while clients still change to the other one."""
    agent_token: str | None
    """Shared by all agents; ``None`` when each host has its own."""
    db_path: Path
    host: str
    port: int
    max_body_bytes: int
    queue_events: int
    retention: Bounds


def _secret(
    environment: Mapping[str, str], name: str, mistakes: list[str], *, required: bool = False
) -> str | None:
    value = environment.get(name, "")
    if not value and required:
        mistakes.append(f"{name} is not set: {_HOW_TO_MAKE_ONE}")
    elif value and not _SECRET.fullmatch(value):
        mistakes.append(
            f"{name} must be at least 32 characters, each a letter, a digit, '_' or '-'; "
            f"the given one has {len(value)} characters: {_HOW_TO_MAKE_ONE}"
        )
    return value or None


def _check_different(secrets: Mapping[str, str | None], mistakes: list[str]) -> None:
    names: dict[str, str] = {}
    for name, secret in secrets.items():
        if secret is None:
            continue
        if secret in names:
            mistakes.append(
                f"{names[secret]} and {name} are the same: whoever has one could do what the "
                "other is for; make a new value for one of them"
            )
        names[secret] = name


def _whole(environment: Mapping[str, str], setting: Whole, mistakes: list[str]) -> int:
    text = environment.get(setting.name, "") or str(setting.default)
    # At most nine digits: more is out of every bound, and int() of a megabyte is slow.
    if re.fullmatch(r"[0-9]{1,9}", text) and setting.low <= int(text) <= setting.high:
        return int(text)
    mistakes.append(
        f"{setting.name} must be a whole number from {setting.low} to {setting.high}, "
        f"not {text[:40]!r}; leave it out for {setting.default}"
    )
    return setting.default


def _host(environment: Mapping[str, str], mistakes: list[str]) -> str:
    text = environment.get("WATCHTOWER_HOST", "") or DEFAULT_HOST
    try:
        return str(ip_address(text))
    except ValueError:
        mistakes.append(
            f"WATCHTOWER_HOST must be an IP address to listen on, not {text[:40]!r}; leave it out "
            f"for {DEFAULT_HOST}"
        )
        return DEFAULT_HOST


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings found in ``environment``; a variable set to nothing counts as unset.

    Variables that are not the collector's are ignored, also those that start with
    ``WATCHTOWER_``: other parts of Watchtower use that prefix, too.

    Raises:
        SettingsError: with every mistake found, none of them showing a secret.
    """
    mistakes: list[str] = []
    secrets = {"ADMIN_API_KEY": _secret(environment, "ADMIN_API_KEY", mistakes, required=True)}
    for name in ("ADMIN_API_KEY_PREVIOUS", "WATCHTOWER_AGENT_TOKEN"):
        secrets[name] = _secret(environment, name, mistakes)
    _check_different(secrets, mistakes)
    settings = Settings(
        admin_api_key=secrets["ADMIN_API_KEY"] or "",
        admin_api_key_previous=secrets["ADMIN_API_KEY_PREVIOUS"],
        agent_token=secrets["WATCHTOWER_AGENT_TOKEN"],
        db_path=Path(environment.get("WATCHTOWER_DB_PATH", "") or DEFAULT_DB_PATH).absolute(),
        host=_host(environment, mistakes),
        port=_whole(environment, PORT, mistakes),
        max_body_bytes=_whole(environment, MAX_BODY_BYTES, mistakes),
        queue_events=_whole(environment, QUEUE_EVENTS, mistakes),
        retention=Bounds(
            days=_whole(environment, RETENTION_DAYS, mistakes) or None,
            heartbeat_days=_whole(environment, HEARTBEAT_DAYS, mistakes) or None,
            bytes=(_whole(environment, RETENTION_MB, mistakes) << 20) or None,
        ),
    )
    if mistakes:
        raise SettingsError(mistakes)
    return settings
