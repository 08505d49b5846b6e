"""What ``status`` prints: a table for people, one JSON object for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from watchtower_agent.clock import CLOCK_RESOLUTION, moment, span, when
from watchtower_agent.event import format_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watchtower_agent.status import Status

_MIB = 1024 * 1024
_COUNTERS = (
    "entries_read",
    "events_spooled",
    "events_acknowledged",
    "events_rejected",
    "events_dropped",
)


def status_text(status: Status) -> str:
    """Return the status in words, with what is wrong and what to type at its end."""
    lines = [f"Watchtower agent on {status.hostname} at {moment(status.asked_at)}", ""]
    lines += [f"{name:<13} {_plain(text)}" for name, text in _rows(status)]
    lines.append("")
    # The gravest comes last: that is where the eye is when all of it has been printed.
    lines += [
        f"WRONG: {_plain(found.what).rstrip('.')}. Type: {found.command}"
        for found in reversed(status.findings())
    ] or ["All is well."]
    return "\n".join(lines)


def status_json(status: Status) -> str:
    """Return the status as one line of JSON; what is unknown is null, times are RFC 3339."""
    spool, vitals, service = status.spool, status.vitals, status.service
    findings = status.findings()
    numbers = (*_COUNTERS, "clock_offset_seconds")
    document = {
        "exit_status": findings[0].exit_status if findings else 0,
        "findings": [{"what": found.what, "command": found.command} for found in findings],
        "hostname": status.hostname,
        "reports_as": status.reports_as,
        "asked_at": _rfc3339(status.asked_at),
        "running": status.running,
        "service": service.properties.get("ActiveState") if service is not None else None,
        "installed_version": status.installed_version,
        "running_version": vitals.text("version") or None if vitals is not None else None,
        "read_up_to": (
            _rfc3339(spool.position.realtime / 1_000_000)
            if spool is not None and spool.position is not None
            else None
        ),
        "spool_depth": spool.waiting if spool is not None else None,
        "spool_oldest": _rfc3339(spool.oldest_at) if spool is not None else None,
        "spool_bytes": spool.size if spool is not None else None,
        "spool_max_bytes": (
            status.settings.spool_max_bytes if status.settings is not None else None
        ),
        "dropped_unreported": spool.dropped if spool is not None else None,
        "dead_letters": spool.dead_letters if spool is not None else None,
        "acknowledged_at": (
            _rfc3339(vitals.number("acknowledged_at")) if vitals is not None else None
        ),
        "reading_trouble": vitals.text("reading_trouble") or None if vitals is not None else None,
        "sending_trouble": vitals.text("sending_trouble") or None if vitals is not None else None,
        **{name: vitals.number(name) if vitals is not None else None for name in numbers},
    }
    return json.dumps(document)


def _rows(status: Status) -> Iterator[tuple[str, str]]:
    yield "Service", _service(status)
    yield "Version", _version(status)
    yield "Journal", _journal(status)
    if status.settings is not None:
        yield "Collector", status.settings.collector_url
    if status.reports_as not in (None, status.hostname):
        yield "Reports as", str(status.reports_as)
    yield "Acknowledged", _acknowledged(status)
    if status.running:
        for text in _troubles(status):
            yield "Trouble", text
    yield from _spool_rows(status)
    if status.running:
        yield "Clock", _clock(status)


def _service(status: Status) -> str:
    service = status.service
    if service is None or not service.is_installed:
        by_hand = "runs, started by hand" if status.running else "does not run"
        return f"{by_hand}; systemd does not know the service"
    since = ""
    if service.changed_at is not None:
        since = f" since {when(service.changed_at, status.asked_at)}"
    if service.is_running:
        return f"runs{since}"
    return f"does not run{since}{f'; {service.last_end()}' if service.last_end() else ''}"


def _version(status: Status) -> str:
    vitals = status.vitals
    installed = f"{status.installed_version} is installed"
    if not status.running or vitals is None:
        return installed
    return f"{vitals.text('version') or 'an unknown one'} runs, {installed}"


def _journal(status: Status) -> str:
    if status.spool is None:
        return "unknown, because the spool cannot be read"
    position = status.spool.position
    if position is None:
        return "not read yet"
    read = f"read up to {when(position.realtime / 1_000_000, status.asked_at)}"
    return read if status.is_current_boot else f"{read}, of an earlier boot"


def _acknowledged(status: Status) -> str:
    vitals = status.vitals
    at = vitals.number("acknowledged_at") if vitals is not None else None
    if at is not None:
        return when(at, status.asked_at)
    return "nothing since the agent's start" if vitals is not None else "unknown"


def _troubles(status: Status) -> list[str]:
    vitals = status.vitals
    if vitals is None:
        return ["unknown"]
    return [
        f"since {when(vitals.number(f'{name}_since') or 0, status.asked_at)}: {vitals.text(name)}"
        for name in ("reading_trouble", "sending_trouble")
        if vitals.text(name)
    ] or ["none"]


def _spool_rows(status: Status) -> Iterator[tuple[str, str]]:
    spool = status.spool
    if spool is None:
        yield "Spool", str(status.spool_error)
        return
    bound = f" of {status.settings.spool_max_bytes // _MIB}" if status.settings is not None else ""
    waiting = f"{spool.waiting} {'event' if spool.waiting == 1 else 'events'}"
    oldest = ""
    if spool.oldest_at is not None:
        oldest = f", the oldest from {when(spool.oldest_at, status.asked_at)}"
    yield "Waiting", f"{waiting}, {spool.size / _MIB:.1f}{bound} MiB{oldest}"
    letters = "none"
    if spool.refused_at is not None:
        letters = (
            f"{spool.dead_letters}, the latest from {when(spool.refused_at, status.asked_at)}: "
            f"{spool.refusal}"
        )
    yield "Dead letters", letters
    dropped = status.vitals.number("events_dropped") if status.vitals is not None else None
    parts = [f"{dropped:.0f} since the agent's start"] if dropped else []
    parts += [f"{spool.dropped} unknown to the collector"] if spool.dropped else []
    yield "Dropped", ", ".join(parts) or "none"


def _clock(status: Status) -> str:
    offset = None
    if status.vitals is not None:
        offset = status.vitals.number("clock_offset_seconds")
    if offset is None:
        return "not compared with the collector's yet"
    if abs(offset) <= CLOCK_RESOLUTION:
        return "agrees with the collector's to two seconds"
    return f"{span(offset)} {'ahead of' if offset > 0 else 'behind'} the collector's"


def _rfc3339(seconds: float | None) -> str | None:
    try:
        return None if seconds is None else format_timestamp(int(seconds * 1_000_000))
    except OverflowError:
        return None


def _plain(text: str) -> str:
    """Return text without anything that a terminal would obey; some of it is from outside."""
    return "".join(c if c.isprintable() else " " for c in text)
