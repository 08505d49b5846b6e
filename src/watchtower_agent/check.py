"""Tries everything that the agent needs on this host, with the rights that the agent has."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from watchtower_agent.account import NoAccountError, become_service_user
from watchtower_agent.check_result import FAIL, OK, WARN, Result
from watchtower_agent.clock import moment
from watchtower_agent.installation import read_configuration
from watchtower_agent.journal import Journal
from watchtower_agent.journalctl import JournalError
from watchtower_agent.service import read_service
from watchtower_agent.settings import SettingsError
from watchtower_agent.spool import FILE_NAME
from watchtower_agent.spool_file import DamagedSpoolError, NewerSpoolError, SpoolError
from watchtower_agent.spool_report import MissingSpoolError, read_spool
from watchtower_agent.status import is_running
from watchtower_agent.vitals import read_vitals
from watchtower_agent.wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watchtower_agent.installation import Configuration
    from watchtower_agent.service import Service
    from watchtower_agent.settings import Settings

_MIB = 1024 * 1024
_LITTLE_SPACE = 64 * _MIB


def run_checks() -> Iterator[Result]:
    """Check one thing after another; root's rights are given up on the way.

    Raises:
        NotAllowedError: only root can tell.
    """
    service = read_service()
    configuration = read_configuration(service)
    yield from _check_file(configuration)
    try:
        become_service_user(service)
    except NoAccountError as error:
        verdict = WARN if configuration.source is None else FAIL
        yield Result(verdict, f"account: {error}", "run playbooks/agents.yml, which makes it")
    settings = None
    try:
        settings = configuration.settings()
    except SettingsError as error:
        for mistake in error.mistakes:
            yield Result(FAIL, mistake, f"correct it {_where(configuration)}")
        what = "collector: not tried, because of the settings above"
        yield Result(WARN, what, "mend them, and check again")
    else:
        yield Result(OK, "settings: each of them can be understood")
        for remark in settings.remarks:
            yield Result(WARN, remark, f"correct or remove it {_where(configuration)}")
    directory = Path(configuration.environment["STATE_DIRECTORY"])
    yield from _check_state(directory, in_use=service is not None and service.is_running)
    yield from _check_journal()
    if settings is not None:
        tried = list(_check_collector(settings, configuration))
        yield from tried
        if not any(result.failed for result in tried):
            yield from _check_events(Path(configuration.environment["RUNTIME_DIRECTORY"]), service)
    yield from _check_service(service)


def _where(configuration: Configuration) -> str:
    if configuration.source is None:
        return "in the environment"
    return f"in {configuration.source}, then: sudo systemctl restart watchtower-agent"


def _check_file(configuration: Configuration) -> Iterator[Result]:
    file = configuration.source
    if file is None:
        yield Result(OK, "settings: from the environment; this agent is not installed")
        return
    for mistake in configuration.mistakes:
        yield Result(FAIL, mistake, f"correct it {_where(configuration)}")
    with suppress(OSError):
        status = file.stat()
        if status.st_uid != 0 or status.st_mode & 0o077:
            what = f"{file}: others than root can read or change it, and it holds the token"
            yield Result(FAIL, what, f"sudo chown root:root {file}; sudo chmod 600 {file}")
        elif not configuration.mistakes:
            yield Result(OK, f"{file}: systemd understands each line, only root can read it")


def _check_state(directory: Path, *, in_use: bool) -> Iterator[Result]:
    mend = f"sudo chown -R watchtower-agent: {directory}; sudo chmod 700 {directory}"
    if not os.access(directory, os.F_OK):
        yield Result(
            WARN,
            f"{directory}: there is no such folder, or it cannot be reached",
            "sudo systemctl start watchtower-agent, which makes it",
        )
        return
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        what = f"{directory}: the agent's user cannot write there, or the file system is read-only"
        yield Result(FAIL, what, f"{mend}; look at 'findmnt -T {directory}'")
        return
    free = os.statvfs(directory)
    space = free.f_bavail * free.f_frsize
    if space < _LITTLE_SPACE:
        what = f"{directory}: only {space // _MIB} MiB are free"
        yield Result(WARN, what, f"make room: df -h {directory}")
    else:
        yield Result(OK, f"{directory}: the agent's user can write there")
    yield _check_spool(directory, mend, in_use=in_use)


def _check_spool(directory: Path, mend: str, *, in_use: bool) -> Result:
    spool = directory / FILE_NAME
    restart = "sudo systemctl restart watchtower-agent"
    try:
        report = read_spool(directory, thorough=True)
        status = spool.stat()
    except MissingSpoolError as error:
        if in_use:
            return Result(FAIL, f"{error}, and the agent runs: somebody removed it", restart)
        return Result(OK, f"{error}: the agent makes one when it starts")
    except (NewerSpoolError, DamagedSpoolError, SpoolError, OSError) as error:
        fixes = {
            NewerSpoolError: "run playbooks/agents.yml from the later checkout",
            DamagedSpoolError: f"{restart}, which sets it aside and reads the journal again",
        }
        return Result(FAIL, str(error), fixes.get(type(error), mend))
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        what = f"{spool}: it does not belong to the agent's user, or others can read it"
        return Result(FAIL, what, f"{mend}; sudo chmod 600 {spool}")
    return Result(OK, f"{spool}: whole; {report.waiting} events wait in it")


def _check_journal() -> Iterator[Result]:
    stop = Wakeup()
    try:
        head = Journal(stop).head()
    except JournalError as error:
        fix = "see which journal file is damaged: sudo journalctl --verify"
        if "ermission" in str(error):
            fix = (
                "sudo usermod -aG systemd-journal watchtower-agent, and: "
                "sudo systemctl restart watchtower-agent"
            )
        yield Result(FAIL, f"journal: {error}", fix)
        return
    finally:
        stop.close()
    if head is None:
        yield Result(WARN, "journal: it holds nothing", "systemctl status systemd-journald")
    else:
        oldest = moment(head.realtime / 1_000_000)
        yield Result(OK, f"journal: the agent's user can read it; it goes back to {oldest}")


def _check_collector(settings: Settings, configuration: Configuration) -> Iterator[Result]:
    try:
        from watchtower_agent.check_collector import check_collector  # noqa: PLC0415  # needs requests
    except ImportError as error:
        what = f"python3-requests: it cannot be used ({error})"
        yield Result(FAIL, what, "sudo apt-get install python3-requests")
        return
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    for name, value in configuration.environment.items():
        if name.lower().endswith("_proxy"):
            os.environ[name] = value
    yield from check_collector(settings)


def _check_events(directory: Path, service: Service | None) -> Iterator[Result]:
    """Tell what no request without events brings to light: they carry another host's name."""
    vitals = None
    with suppress(PermissionError):
        vitals = read_vitals(directory)
    if vitals is not None and vitals.text("sending_trouble") and is_running(service, vitals):
        what = f"events: the agent that runs says: {vitals.text('sending_trouble')}"
        yield Result(FAIL, what, "as it says; the agent tries again within a minute")


def _check_service(service: Service | None) -> Iterator[Result]:
    if service is None or not service.is_installed:
        yield Result(WARN, "service: systemd does not know it", "run playbooks/agents.yml")
    elif not service.is_running:
        start = "sudo systemctl start watchtower-agent"
        end = f" ({service.last_end()})" if service.last_end() else ""
        yield Result(WARN, f"service: it does not run{end}", start)
    elif not service.is_enabled:
        enable = "sudo systemctl enable watchtower-agent"
        yield Result(WARN, "service: it runs, and does not start with the host", enable)
    else:
        yield Result(OK, "service: it runs, and starts with the host")
