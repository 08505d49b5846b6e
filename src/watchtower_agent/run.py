"""The daemon: opens everything, starts the two threads, watches over them."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

from watchtower_agent.collector import Collector
from watchtower_agent.exit_status import DEFECT, WELL
from watchtower_agent.heartbeat import Heartbeat
from watchtower_agent.host import Host
from watchtower_agent.journal import Journal
from watchtower_agent.notify import ServiceNotifier, watchdog_interval
from watchtower_agent.parse import Parser
from watchtower_agent.programs import known_programs
from watchtower_agent.reader import JournalReader
from watchtower_agent.send import Sender
from watchtower_agent.spool import Spool
from watchtower_agent.version import read_version
from watchtower_agent.vitals import Bulletin, Vitals
from watchtower_agent.wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchtower_agent.settings import Settings

log = logging.getLogger(__name__)

# Longer than every wait of a thread that works: an answer that drips, a silent journalctl.
_THREAD_SILENCE_SECONDS = 300.0
_WATCH_SECONDS = 30.0
# What the sender may take after SIGTERM; a request under way is abandoned, not waited for.
_STOP_SECONDS = 3.0


class _Worker:
    """A thread that must not end by itself."""

    def __init__(self, name: str, part: JournalReader | Sender, stop: Wakeup) -> None:
        self.pulse = part.pulse
        self.failed = False
        self._work = part.run
        self._stop = stop
        # A daemon, so that a request into a black hole does not hold up the end of the process.
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        try:
            self._work()
        except Exception:
            if not self._stop.is_set():
                log.exception(
                    "The %s has failed, which is a defect of the agent.", self.thread.name
                )
                self.failed = True
                self._stop.set()


def run(settings: Settings, journal_source: Sequence[str] = ()) -> int:
    """Run until SIGTERM or SIGINT; return the exit status.

    Raises:
        SpoolError, NewerSpoolError: the spool cannot be opened.
        FileNotFoundError: the installation has no VERSION file.
    """
    stop = Wakeup()
    stop.set_on_signals(signal.SIGTERM, signal.SIGINT)
    notifier = ServiceNotifier.from_environment()
    version = read_version()
    host = _host(settings)
    spool = Spool(settings.state_directory, settings.spool_max_bytes)
    parser = Parser(known_programs(settings.ssh_units), host)
    collector = Collector(settings.collector_url, settings.agent_token, settings.ca_file, version)
    journal = Journal(stop, journal_source)
    reader = JournalReader(journal, spool, parser, settings.backfill_hours, stop)
    vitals = Vitals(version, spool.counters, reader.trouble)
    well = f"Reporting to {settings.collector_url}"
    bulletin = Bulletin(vitals, notifier, well, settings.runtime_directory)
    vitals.tell(bulletin.publish)
    heartbeat = Heartbeat(host, vitals, settings.heartbeat_seconds)
    sender = Sender(spool, collector, heartbeat, stop)
    workers = (
        _Worker("journal reader", reader, stop),
        _Worker("sender", sender, stop),
    )
    for remark in settings.remarks:
        log.warning("%s", remark)
    for worker in workers:
        worker.thread.start()
    log.info(
        "Watchtower agent %s reads the journal and reports to %s.",
        version,
        settings.collector_url,
    )
    bulletin.publish()
    notifier.ready()
    _watch(workers, stop, notifier, bulletin)
    notifier.stopping()
    spool.arrived.set()
    for worker in workers:
        worker.thread.join(_STOP_SECONDS)
    if not any(worker.thread.is_alive() for worker in workers):
        spool.close()
    failed = any(worker.failed for worker in workers)
    log.info("Watchtower agent stopped." if not failed else "Watchtower agent ends to start anew.")
    return DEFECT if failed else WELL


def _host(settings: Settings) -> Host:
    if settings.hostname is not None:
        return Host(settings.hostname, settings.labels, name_is_fixed=True)
    return Host(os.uname().nodename, settings.labels)


def _watch(
    workers: Sequence[_Worker], stop: Wakeup, notifier: ServiceNotifier, bulletin: Bulletin
) -> None:
    """Tell systemd's watchdog about the threads until the agent is to stop."""
    interval = watchdog_interval()
    while not stop.wait(interval if interval is not None else _WATCH_SECONDS):
        bulletin.publish()
        silent = [w for w in workers if w.pulse.age() > _THREAD_SILENCE_SECONDS]
        if not silent:
            notifier.watchdog()
            continue
        for worker in silent:
            log.error(
                "The %s has made no progress for %.0f seconds; if that lasts, systemd ends the "
                "agent and starts it anew.",
                worker.thread.name,
                _THREAD_SILENCE_SECONDS,
            )
