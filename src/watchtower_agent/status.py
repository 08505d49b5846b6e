"""How the agent on this host is, from what systemd, the agent itself and its spool say."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from watchtower_agent import exit_status
from watchtower_agent.account import NoAccountError, become_service_user
from watchtower_agent.clock import span, when
from watchtower_agent.installation import RELEASE, read_configuration
from watchtower_agent.journal import current_boot_id
from watchtower_agent.journalctl import JournalError
from watchtower_agent.service import read_service
from watchtower_agent.settings import SettingsError
from watchtower_agent.spool_file import DamagedSpoolError, NewerSpoolError, SpoolError
from watchtower_agent.spool_report import MissingSpoolError, SpoolReport, read_spool
from watchtower_agent.version import read_version
from watchtower_agent.vitals import PublishedVitals, read_vitals

if TYPE_CHECKING:
    from watchtower_agent.service import Service
    from watchtower_agent.settings import Settings

CHECK = "sudo watchtower-agent check"
LAST_WORDS = "journalctl -u watchtower-agent -n 20"
REFUSALS = "journalctl -u watchtower-agent --grep='dead letter'"
RESTART = "sudo systemctl restart watchtower-agent"
# Beyond this the order of events of different hosts begins to mislead.
CLOCK_SECONDS = 5
# A dead letter stays; what the operator has slept over is no alarm any more.
_FRESH_SECONDS = 24 * 3600


class Finding(NamedTuple):
    """Something that is wrong: how grave, in words, and what to type."""

    exit_status: int
    what: str
    command: str


@dataclass(frozen=True)
class Status:
    """Everything that is known; what could not be found out is None.

    Attributes:
        asked_at: seconds since 1970.
        vitals: what the agent published last; it may have died since.
        running: whether it runs, as a service or by hand.
        spool_error: why the spool could not be read.
        mistakes: what is wrong with the settings.
    """

    asked_at: float
    hostname: str
    service: Service | None
    vitals: PublishedVitals | None
    running: bool
    installed_version: str
    settings: Settings | None
    mistakes: tuple[str, ...]
    spool: SpoolReport | None
    spool_error: Exception | None
    is_current_boot: bool

    @property
    def reports_as(self) -> str | None:
        """The name that its events carry now; None when the settings are unknown."""
        return None if self.settings is None else self.settings.hostname or self.hostname

    def findings(self) -> list[Finding]:
        """Return what is wrong, the gravest first; nothing when all is well."""
        return [*self._of_the_service(), *self._of_the_spool(), *self._of_the_agent()]

    def _of_the_service(self) -> list[Finding]:
        service = self.service
        if self.running:
            return []
        if service is None:
            return [Finding(exit_status.NOT_RUNNING, "the agent does not run", LAST_WORDS)]
        if not service.is_installed:
            what = "the agent is not installed as a service"
            return [Finding(exit_status.NOT_RUNNING, what, "ansible-playbook playbooks/site.yml")]
        end = service.last_end()
        what = f"the service does not run{f' ({end})' if end else ''}"
        if service.is_tried_again:
            what += "; systemd starts it again every half minute"
        if self.mistakes:
            command = CHECK
        elif end or service.is_tried_again:
            command = LAST_WORDS
        else:
            command = "sudo systemctl start watchtower-agent"
        return [Finding(exit_status.NOT_RUNNING, what, command)]

    def _of_the_spool(self) -> list[Finding]:
        error = self.spool_error
        if error is None:
            return []
        if isinstance(error, NewerSpoolError):
            return [
                Finding(exit_status.OUTDATED, str(error), "ls -1t /opt/watchtower/agent/releases")
            ]
        if isinstance(error, MissingSpoolError):
            if not self.running:
                return []
            what = f"{error}, and the agent runs: somebody removed it"
            return [Finding(exit_status.SPOOL, what, RESTART)]
        command = RESTART if isinstance(error, DamagedSpoolError) else CHECK
        return [Finding(exit_status.SPOOL, str(error), command)]

    def _of_the_agent(self) -> list[Finding]:
        vitals = self.vitals
        found = []
        if self.running and vitals is not None:
            if vitals.text("reading_trouble"):
                what = f"the journal is not read{self._since('reading_trouble_since')}"
                found.append(Finding(exit_status.NOT_READING, what, CHECK))
            if vitals.text("sending_trouble"):
                what = f"nothing reaches the collector{self._since('sending_trouble_since')}"
                found.append(Finding(exit_status.NOT_SENDING, what, CHECK))
        attention = [
            *self._of_the_version(),
            *self._of_lost_events(),
            *((mistake, CHECK) for mistake in self.mistakes),
            *self._of_the_clock(),
        ]
        service = self.service
        if service is not None and service.is_running and not service.is_enabled:
            enable = "sudo systemctl enable watchtower-agent"
            attention.append(("the service does not start with the host", enable))
        return found + [Finding(exit_status.ATTENTION, *pair) for pair in attention]

    def _since(self, name: str) -> str:
        since = self.vitals.number(name) if self.vitals is not None else None
        return "" if since is None else f", since {when(since, self.asked_at)}"

    def _of_the_version(self) -> list[tuple[str, str]]:
        if not self.running:
            return []
        if self.vitals is None:
            return [("the running agent says nothing about itself", RESTART)]
        if self.vitals.text("release") != str(RELEASE):
            return [("another release runs than is installed", RESTART)]
        return []

    def _of_lost_events(self) -> list[tuple[str, str]]:
        if self.spool is None:
            return []
        found = []
        if self.spool.dropped:
            what = f"{self.spool.dropped} events were dropped, because the spool was full"
            found.append((what, CHECK))
        refused_at = self.spool.refused_at
        if refused_at is not None and self.asked_at - refused_at < _FRESH_SECONDS:
            what = "the collector refused an event for good in the last 24 hours"
            found.append((what, REFUSALS))
        return found

    def _of_the_clock(self) -> list[tuple[str, str]]:
        offset = self.vitals.number("clock_offset_seconds") if self.vitals is not None else None
        if not self.running or offset is None or abs(offset) <= CLOCK_SECONDS:
            return []
        side = "ahead of" if offset > 0 else "behind"
        return [(f"this host's clock is {span(offset)} {side} the collector's", "timedatectl")]


def read_status() -> Status:
    """Find out how the agent is; root's rights are given up on the way.

    Raises:
        NotAllowedError: only root can tell.
    """
    service = read_service()
    configuration = read_configuration(service)
    environment, mistakes = configuration.environment, configuration.mistakes
    try:
        become_service_user(service)
    except NoAccountError as error:
        mistakes += (str(error),)
    settings = None
    try:
        settings = configuration.settings()
    except SettingsError as error:
        mistakes += tuple(error.mistakes)
    spool, spool_error = _look_into_spool(Path(environment["STATE_DIRECTORY"]))
    vitals = read_vitals(Path(environment["RUNTIME_DIRECTORY"]))
    if vitals is not None and service is not None and service.is_running:
        # A service that was started by an earlier version publishes nothing.
        vitals = vitals if vitals.number("pid") == service.pid else None
    return Status(
        asked_at=time.time(),
        hostname=os.uname().nodename,
        service=service,
        vitals=vitals,
        running=is_running(service, vitals),
        installed_version=read_version(),
        settings=settings,
        mistakes=mistakes,
        spool=spool,
        spool_error=spool_error,
        is_current_boot=_is_current_boot(spool),
    )


def _look_into_spool(directory: Path) -> tuple[SpoolReport | None, Exception | None]:
    try:
        return read_spool(directory), None
    except (MissingSpoolError, NewerSpoolError, DamagedSpoolError, SpoolError) as error:
        return None, error


def is_running(service: Service | None, vitals: PublishedVitals | None) -> bool:
    """Return whether the agent runs, as a service or by hand."""
    if service is not None and service.is_installed:
        return service.is_running
    # Started by hand, it is no service, and what it published is all that there is.
    pid = vitals.number("pid") if vitals is not None else None
    return pid is not None and Path(f"/proc/{pid:.0f}").exists()


def _is_current_boot(spool: SpoolReport | None) -> bool:
    if spool is None or spool.position is None:
        return True
    try:
        return spool.position.boot_id == current_boot_id()
    except JournalError:
        return True
