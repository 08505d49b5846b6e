"""What is known of each host, kept up to date with the events that say it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower_collector.store.many_rows import ManyRows
from watchtower_collector.store.schema import HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watchtower_collector.store import Row

_LABELS = ("region", "host_group", "severity")
_LOGIN = ("last_login", "last_login_user", "last_login_source_ip")
_HEARTBEAT = ("last_heartbeat", "agent_version", "spool_depth", "clock_offset_seconds", "trouble")
# In microseconds, and not as a parameter, of which ManyRows has those of the rows only.
_SECOND: sa.ColumnClause[int] = sa.literal_column("1000000")
_NOTHING_KNOWN = dict.fromkeys(_LOGIN + _HEARTBEAT)


def _upsert() -> sa.Insert:
    statement = insert(HOSTS)
    new = statement.excluded
    # By the host's clock, for old events may arrive late; but a login that was dated into the
    # future gives way to the next one, or it would stand there until then.
    later_login = new.last_login.is_not(None) & (
        HOSTS.c.last_login.is_(None)
        | (new.last_login >= HOSTS.c.last_login)
        | (HOSTS.c.last_login > new.last_seen)
    )
    # By ours: an agent sends a heartbeat at once or not at all.
    later_heartbeat = new.last_heartbeat.is_not(None)
    changes: dict[str, Any] = {name: new[name] for name in ("last_seen", *_LABELS)}
    for names, later in ((_LOGIN, later_login), (_HEARTBEAT, later_heartbeat)):
        changes |= {name: sa.case((later, new[name]), else_=HOSTS.c[name]) for name in names}
    # Hundreds of events a second from a host under attack need not write it hundreds of times.
    seen_just_now = new.last_seen.between(HOSTS.c.last_seen, HOSTS.c.last_seen + _SECOND)
    relabelled = sa.or_(*(new[name].is_distinct_from(HOSTS.c[name]) for name in _LABELS))
    return statement.on_conflict_do_update(
        index_elements=[HOSTS.c.hostname],
        set_=changes,
        where=later_login | later_heartbeat | relabelled | ~seen_just_now,
    )


_UPSERT = ManyRows(_upsert())


def _sighting(row: Row) -> dict[str, Any]:
    """Return what one event says of its host, as a row of ``hosts``."""
    seen = row["received_at"]
    sighting = {
        "hostname": row["hostname"],
        "first_seen": seen,
        "last_seen": seen,
        **_NOTHING_KNOWN,
        **{name: row[name] for name in _LABELS},
    }
    if row["type"] == "login":
        sighting |= dict(
            zip(_LOGIN, (row["timestamp"], row["user"], row["source_ip"]), strict=True)
        )
    elif row["type"] == "heartbeat":
        details = json.loads(row["extra"] or "{}")
        offset, trouble = details.get("clock_offset_seconds"), details.get("trouble")
        sighting["last_heartbeat"] = seen
        sighting["agent_version"] = row["agent_version"]
        sighting["spool_depth"] = row["spool_depth"]
        # Fields that the wire contract leaves open may hold anything that is flat.
        is_number = isinstance(offset, int | float) and not isinstance(offset, bool)
        sighting["clock_offset_seconds"] = float(offset) if is_number else None
        sighting["trouble"] = trouble if isinstance(trouble, str) else None
    return sighting


def _merged(known: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return two sightings of one host as one, the second being stored later."""
    merged = {**new, "first_seen": known["first_seen"]}
    keep_login = new["last_login"] is None or (
        known["last_login"] is not None
        and new["last_login"] < known["last_login"] <= new["last_seen"]
    )
    if keep_login:
        merged |= {name: known[name] for name in _LOGIN}
    if new["last_heartbeat"] is None:
        merged |= {name: known[name] for name in _HEARTBEAT}
    return merged


def forget_host(connection: sa.Connection, hostname: str) -> bool:
    """Forget a host until its next event, and return whether it was known."""
    gone = sa.delete(HOSTS).where(HOSTS.c.hostname == hostname)
    return connection.execute(gone).rowcount == 1


def note_hosts(connection: sa.Connection, rows: Iterable[Row]) -> None:
    """Bring ``hosts`` up to date with events that are being stored, in their order."""
    sightings: dict[str, dict[str, Any]] = {}
    for row in rows:
        new = _sighting(row)
        known = sightings.get(new["hostname"])
        sightings[new["hostname"]] = new if known is None else _merged(known, new)
    if sightings:
        _UPSERT.execute(connection, list(sightings.values()))
