"""Which collector to ask, whom to trust, and with which key: environment, file, or the host's."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from watchtowerctl.errors import CONFIGURATION, CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "~/.config/watchtowerctl.toml"
HOST_FILE = "/opt/watchtower/collector/.env"
_NAMES = {
    "url": "WATCHTOWER_URL",
    "ca_file": "WATCHTOWER_CA_FILE",
    "key": "ADMIN_API_KEY",
    "key_file": "WATCHTOWER_KEY_FILE",
}
_KEY = re.compile(r"[A-Za-z0-9_-]{32,}", re.ASCII)


def _wrong(message: str) -> CommandError:
    return CommandError(CONFIGURATION, message)


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise _wrong(f"cannot read {what} {path}: {reason}") from None


def _refuse_open(path: Path, what: str) -> None:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise _wrong(f"others can read {what} {path}: chmod 600 {path}")


class Configuration:
    """Looks each piece up when it is asked for, so that ``check`` can go through them one by one.

    The environment wins over the file. On the collector's host root needs neither: the key is in
    the collector's own settings. That key is only ever sent to the collector of this host.
    """

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        file: Path | None = None,
        host_file: Path = Path(HOST_FILE),
    ) -> None:
        self._environment = environment
        self._file = file if file is not None else Path(FILE).expanduser()
        self._host_file = host_file
        self._values: dict[str, tuple[str, str]] | None = None

    def read(self) -> None:
        """Read the file, if it is there, for what the environment does not say.

        Raises:
            CommandError: it cannot be read or understood.
        """
        if self._values is None:
            self._values = self._read_file()

    def _value(self, name: str) -> tuple[str, str] | None:
        """Return a piece and where it comes from."""
        variable = _NAMES[name]
        if text := self._environment.get(variable, ""):
            return text, variable
        self.read()
        return (self._values or {}).get(name)

    def _read_file(self) -> dict[str, tuple[str, str]]:
        # Not there, or in a home that is closed to us: then it is not ours either.
        if not os.path.lexists(self._file):
            return {}
        text = _read(self._file, "the configuration")
        try:
            found = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise _wrong(f"{self._file} is no TOML: {error}") from None
        for name, value in found.items():
            if name not in _NAMES:
                raise _wrong(f"{self._file}: there is no {name!r}; there are {', '.join(_NAMES)}")
            if not isinstance(value, str):
                raise _wrong(f"{self._file}: {name} must be text in quotation marks")
        if "key" in found:
            _refuse_open(self._file, "the key in")
        return {name: (value, f"{name} in {self._file}") for name, value in found.items()}

    def _host_settings(self) -> dict[str, str] | None:
        """Return the settings of the collector on this host, if there is one and we are root."""
        if self._value("url") is not None or not os.access(self._host_file, os.R_OK):
            return None
        text = _read(self._host_file, "the collector's settings")
        lines = re.findall(r'^([A-Z_]+)="?([^"\n]*)"?$', text, re.MULTILINE)
        return dict(lines)

    def url(self) -> tuple[str, str]:
        """Return the collector's address without a path, and where it comes from.

        Raises:
            CommandError: there is none, or it would carry the key in clear over a network.
        """
        value = self._value("url")
        if value is not None:
            return _checked_url(*value)
        settings = self._host_settings()
        if settings is not None:
            port = settings.get("WATCHTOWER_PORT") or "8000"
            return f"http://127.0.0.1:{port}", f"the collector's own host, {self._host_file}"
        hint = "; on this host, which has a collector, use sudo" * os.access(
            self._host_file, os.F_OK
        )
        raise _wrong(
            "it is not said which collector to ask: export "
            f'WATCHTOWER_URL=https://collector.example.org, or put url = "https://…" into {FILE}'
            + hint
        )

    def ca_file(self) -> tuple[Path, str] | None:
        """Return the file of the CA to trust; none means the authorities of this machine.

        Raises:
            CommandError: there is no such file.
        """
        value = self._value("ca_file")
        if value is None:
            return None
        path = Path(value[0]).expanduser()
        _read(path, f"the CA certificate of {value[1]},")
        return path, value[1]

    def key(self) -> tuple[str, str]:
        """Return the admin key and where it comes from. No message ever shows it.

        Raises:
            CommandError: there is none, others can read it, or it is none that a collector takes.
        """
        value = self._value("key")
        if value is None and (file := self._value("key_file")) is not None:
            path = Path(file[0]).expanduser()
            text = _read(path, f"the key file of {file[1]},")
            _refuse_open(path, "the key file")
            value = text.strip(), f"{file[1]}, {path}"
        settings = self._host_settings()
        if value is None and settings is not None:
            value = settings.get("ADMIN_API_KEY", ""), str(self._host_file)
        if value is None:
            raise _wrong(
                "there is no admin key: export WATCHTOWER_KEY_FILE=FILE, a file that only you can "
                f'read, or put key_file = "FILE" into {FILE}; the playbook keeps the key beside '
                "the inventory, in .watchtower/secrets/admin_api_key"
            )
        if not _KEY.fullmatch(value[0]):
            raise _wrong(
                f"the admin key from {value[1]} is none: it must be at least 32 characters, each "
                f"a letter, a digit, '_' or '-'; this one has {len(value[0])} characters"
            )
        return value


def is_loopback(host: str) -> bool:
    """Return whether a URL's host can only be this machine. Names are not looked up: DNS lies."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _checked_url(text: str, source: str) -> tuple[str, str]:
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError:
        host = None
        parts = urlsplit("")
    if not host or parts.scheme not in {"https", "http"}:
        raise _wrong(f"{source} must be like https://collector.example.org, not {text[:80]!r}")
    if parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username is not None:
        raise _wrong(
            f"{source} must be the collector's address alone, https://{host}, without a path, a "
            "question, or a name and password"
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise _wrong(
            f"{source} is http://, which would send the admin key in clear: use https://{host}, "
            "or an SSH tunnel and http://127.0.0.1:PORT"
        )
    return f"{parts.scheme}://{parts.netloc}", source
