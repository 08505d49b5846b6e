"""Where this copy of the agent is installed, and what it is configured by there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from watchtower_agent.environment_file import parse_environment_file
from watchtower_agent.settings import read_settings

if TYPE_CHECKING:
    from watchtower_agent.service import Service
    from watchtower_agent.settings import Settings

# The folder that holds the package; of an installed agent, releases/VERSION-HASH.
RELEASE = Path(__file__).resolve().parents[1]
STATE_DIRECTORY = "/var/lib/watchtower-agent"
RUNTIME_DIRECTORY = "/run/watchtower-agent"


class NotAllowedError(Exception):
    """Whoever runs this may not read what it needs."""


@dataclass(frozen=True)
class Configuration:
    """What the service is started with.

    Attributes:
        source: the file it is from, or None for the environment of this very process.
        environment: the variables.
        mistakes: sentences about lines that systemd passes over.
    """

    source: Path | None
    environment: dict[str, str]
    mistakes: tuple[str, ...] = ()

    def settings(self) -> Settings:
        """Return the settings; a state directory that systemd has yet to make is no mistake.

        Raises:
            SettingsError: names every other mistake.
        """
        environment = dict(self.environment)
        if not Path(environment["STATE_DIRECTORY"]).is_dir():
            environment["STATE_DIRECTORY"] = "/"
        return read_settings(environment)


def settings_file() -> Path | None:
    """Return the settings of the installation that this program belongs to, if it is installed."""
    return RELEASE.parents[1] / ".env" if RELEASE.parent.name == "releases" else None


def read_configuration(service: Service | None) -> Configuration:
    """Return what the service gets from systemd; in a checkout, what this process has.

    Raises:
        NotAllowedError: only root can tell.
    """
    file = settings_file()
    directories = {
        "STATE_DIRECTORY": os.environ.get("STATE_DIRECTORY", STATE_DIRECTORY),
        "RUNTIME_DIRECTORY": os.environ.get("RUNTIME_DIRECTORY", RUNTIME_DIRECTORY),
    }
    if file is None:
        return Configuration(None, {**os.environ, **directories})
    try:
        parsed = parse_environment_file(file.read_bytes())
    except PermissionError:
        raise NotAllowedError(f"Only root can read {file}") from None
    except OSError as error:
        mistake = f"{file} cannot be read ({error.strerror}); run playbooks/site.yml"
        return Configuration(file, directories, (mistake,))
    # systemd.exec(5), EnvironmentFile=: it overrides what Environment= says.
    unit = service.environment if service is not None else {}
    return Configuration(
        file,
        {**unit, **parsed.values, **directories},
        tuple(f"{file}, {mistake}" for mistake in parsed.mistakes),
    )
