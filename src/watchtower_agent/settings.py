"""The agent's settings, from the environment that systemd reads from the ``.env`` file."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable, TypeVar
from urllib.parse import urlsplit

from watchtower_agent.host import Labels
from watchtower_agent.trust import DEFAULT_SSH_UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

PREFIX = "WATCHTOWER_"

_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,}")
_HOST = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])")
_HOSTNAME = re.compile(r"[A-Za-z0-9_.-]{1,255}")
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@*?-]+\.(?:service|scope)")
_LABEL_CHARACTERS = 64
_TRUE = ("true", "yes", "1", "on")
_FALSE = ("false", "no", "0", "off")


class SettingsError(ValueError):
    """One or more settings are missing or wrong.

    Attributes:
        mistakes: one sentence for each, with the variable's name and what to do.
    """

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True)
class Settings:
    """All that the agent can be told. Times in seconds, sizes in bytes.

    Attributes:
        hostname: the name that every event carries; None for the one of its journal entry.
        remarks: sentences about what is probably a mistake but keeps nobody from working.
    """

    collector_url: str
    agent_token: str
    state_directory: Path
    runtime_directory: Path | None
    ca_file: Path | None
    hostname: str | None
    ssh_units: tuple[str, ...]
    labels: Labels
    backfill_hours: int
    spool_max_bytes: int
    heartbeat_seconds: int
    remarks: tuple[str, ...]

    def __repr__(self) -> str:
        """Leave the token out, wherever this may be printed."""
        return f"Settings(collector_url={self.collector_url!r}, …)"


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings that an environment holds.

    Raises:
        SettingsError: names every mistake, not only the first. It never shows the token.
    """
    reader = _Reader(environment)
    settings = Settings(
        collector_url=reader.get("WATCHTOWER_COLLECTOR_URL", _url, "https://invalid"),
        agent_token=reader.get("WATCHTOWER_AGENT_TOKEN", _token, ""),
        state_directory=reader.get("STATE_DIRECTORY", _state_directory, Path()),
        runtime_directory=reader.optional("RUNTIME_DIRECTORY", _first_path),
        ca_file=reader.optional("WATCHTOWER_CA_FILE", _ca_file),
        hostname=reader.optional("WATCHTOWER_HOSTNAME", _hostname),
        ssh_units=reader.optional("WATCHTOWER_SSH_UNIT", _units) or DEFAULT_SSH_UNITS,
        labels=Labels(
            region=reader.optional("WATCHTOWER_REGION", _label),
            host_group=reader.optional("WATCHTOWER_HOST_GROUP", _label),
            severity=reader.optional("WATCHTOWER_SEVERITY", _label),
            flagged=reader.optional("WATCHTOWER_FLAGGED", _boolean),
        ),
        backfill_hours=reader.number("WATCHTOWER_BACKFILL_HOURS", 24, 0, 24 * 365),
        spool_max_bytes=reader.number("WATCHTOWER_SPOOL_MAX_MB", 256, 1, 1024 * 1024) * 1024**2,
        heartbeat_seconds=reader.number("WATCHTOWER_HEARTBEAT_SECONDS", 60, 5, 24 * 3600),
        remarks=reader.remarks(),
    )
    if reader.mistakes:
        raise SettingsError(reader.mistakes)
    return settings


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._known: list[str] = []
        self.mistakes: list[str] = []

    def get(self, name: str, convert: Callable[[str], T], stand_in: T) -> T:
        """Return a setting that must be there; after a mistake, something of the same type."""
        text = self._look_up(name)
        try:
            return convert(text)
        except ValueError as error:
            self.mistakes.append(f"{name}: {error}")
            return stand_in

    def optional(self, name: str, convert: Callable[[str], T]) -> T | None:
        """Return a setting that may be absent or empty."""
        if not self._look_up(name):
            return None
        return self.get(name, convert, None)

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """Return a whole number within bounds."""

        def convert(text: str) -> int:
            if not (text.isascii() and text.isdecimal()) or not least <= int(text) <= most:
                raise ValueError(
                    f"{text!r} is not a whole number from {least} to {most}; "
                    f"leave it out for the default, {default}"
                )
            return int(text)

        value = self.optional(name, convert)
        return default if value is None else value

    def remarks(self) -> tuple[str, ...]:
        """Return a sentence for each variable that is named like a setting and is none.

        It may be the setting of a later version, after going back to this one: no mistake.
        """
        sentences = []
        for name in sorted(self._environment):
            if name.startswith(PREFIX) and name not in self._known:
                near = self._similar(name)
                hint = f"; {near} is probably meant" if near else ""
                sentences.append(
                    f"{name}: this version of the agent has no such setting, and ignores it{hint}."
                )
        return tuple(sentences)

    def _similar(self, name: str) -> str | None:
        from difflib import get_close_matches  # noqa: PLC0415  # seldom needed, and large

        endings = [known.removeprefix(PREFIX) for known in self._known]
        near = get_close_matches(name.removeprefix(PREFIX), endings, n=1)
        return PREFIX + near[0] if near else None

    def _look_up(self, name: str) -> str:
        self._known.append(name)
        return self._environment.get(name, "").strip()


def _url(text: str) -> str:
    example = "write it like https://collector.example.org or https://10.0.0.5:8443"
    if not text:
        raise ValueError(f"it is missing; {example}")
    if any(character.isspace() for character in text):
        raise ValueError(f"{text!r} contains a space; {example}")
    if text.lower().startswith("http://"):
        raise ValueError(
            f"{text!r} is not encrypted, and events carry user names and the token; {example}"
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{text!r} is not a URL ({error}); {example}") from None
    if "@" in parts.netloc:
        raise ValueError(f"it must not carry a user name or a password; {example}")
    host = parts.netloc if port is None else parts.netloc.rpartition(":")[0]
    if parts.scheme != "https" or not _HOST.fullmatch(host) or port == 0:
        raise ValueError(f"{text!r} is not an https:// address with a host name; {example}")
    if parts.query or parts.fragment:
        raise ValueError(f"{text!r} has a ? or # part, which a base address has not; {example}")
    return text.rstrip("/")


def _token(text: str) -> str:
    if not text:
        raise ValueError("it is missing; copy the token that the collector knows for this agent")
    if not _TOKEN.fullmatch(text):
        # Not a character of it is shown: it may be the right token with one wrong character.
        raise ValueError(
            f"a token has 32 or more characters out of A-Z a-z 0-9 _ and -; this one has "
            f"{len(text)} characters and does not fit; copy it again, without quotes or spaces"
        )
    return text


def _first_path(text: str) -> Path:
    # systemd.exec(5), RuntimeDirectory=: several directories are separated by a colon.
    return Path(text.partition(":")[0])


def _state_directory(text: str) -> Path:
    path = _first_path(text)
    if not text or not path.is_absolute():
        raise ValueError(
            "systemd sets it from StateDirectory=; to start the agent by hand, "
            "set it to the absolute path of a directory for the spool"
        )
    if not path.is_dir():
        raise ValueError(f"{path} is not a directory; create it for the agent's user")
    return path


def _ca_file(text: str) -> Path:
    try:
        ssl.create_default_context(cafile=text)
    except ssl.SSLError:
        raise ValueError(f"{text} holds no certificate in PEM form; copy the CA again") from None
    except PermissionError:
        raise ValueError(
            f"{text} cannot be read by the agent's user; type: sudo chmod a+r {text}"
        ) from None
    except OSError as error:
        raise ValueError(
            f"{text} cannot be read ({error.strerror}); put the collector's CA certificate there, "
            "readable for the agent's user, or leave this out to trust the system's CAs"
        ) from None
    return Path(text)


def _hostname(text: str) -> str:
    if not _HOSTNAME.fullmatch(text):
        raise ValueError(
            f"{text!r} is no host name of up to 255 letters, digits and ._-; write it as the "
            "collector knows this host, or leave it out for the name in each journal entry"
        )
    return text


def _units(text: str) -> tuple[str, ...]:
    units = tuple(unit.strip() for unit in text.split(",") if unit.strip())
    for unit in units:
        if not _UNIT.fullmatch(unit):
            raise ValueError(
                f"{unit!r} is not the name of a unit; write names or patterns separated by "
                "commas, such as ssh.service,ssh@*.service"
            )
    return units


def _label(text: str) -> str:
    if len(text) > _LABEL_CHARACTERS or not text.isprintable():
        raise ValueError(f"a label has at most {_LABEL_CHARACTERS} printable characters")
    return text


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(f"{text!r} is neither true nor false")
