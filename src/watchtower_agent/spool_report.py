"""Looks into a spool from outside, while the agent uses it or after it has died."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from watchtower_agent.clock import read_timestamp
from watchtower_agent.event import SPOOL_OVERFLOW
from watchtower_agent.spool import FILE_NAME, Position
from watchtower_agent.spool_file import (
    SCHEMA_VERSION,
    DamagedSpoolError,
    NewerSpoolError,
    as_spool_error,
)

if TYPE_CHECKING:
    from pathlib import Path

_BUSY_SECONDS = 5.0
# What is raised by content that makes no sense.
_NONSENSE = (
    AttributeError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)


class MissingSpoolError(Exception):
    """There is no spool yet, or no longer."""


@dataclass(frozen=True)
class SpoolReport:
    """What a spool holds. Times in seconds since 1970.

    Attributes:
        position: how far the journal was read, or None before the first reading.
        waiting: events that wait for the collector.
        oldest_at: when the one that waits longest happened.
        size: bytes, counted as the bound WATCHTOWER_SPOOL_MAX_MB counts them.
        dropped: events dropped for want of room that the collector does not know of yet.
        dead_letters: events that the collector refused for good and that are kept, ...
        refused_at, refusal: ... when the last of them was refused, and why.
    """

    position: Position | None
    waiting: int
    oldest_at: float | None
    size: int
    dropped: int
    dead_letters: int
    refused_at: float | None
    refusal: str


def read_spool(directory: Path, *, thorough: bool = False) -> SpoolReport:
    """Read the spool of a state directory without changing anything in it.

    The agent is not held up, and no file is made: without a write-ahead log, as a spool is that
    was closed properly, SQLite is told that nobody writes; with one, it reads beside the writer.
    ``thorough`` looks for damage on every page.

    Raises:
        MissingSpoolError: it is not there.
        NewerSpoolError: it was written by a later version.
        DamagedSpoolError: it is no database, or not as a spool is.
        SpoolError: it cannot be read now.
    """
    path = directory / FILE_NAME
    with as_spool_error(path):
        if not path.exists():
            raise MissingSpoolError(f"there is no spool {path}")
        parameters = "mode=ro"
        if not path.with_name(f"{FILE_NAME}-wal").exists():
            parameters += "&immutable=1"
        uri = f"file:{quote(str(path))}?{parameters}"
        with closing(
            sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
        ) as connection:
            # As the agent itself reads it: one byte of damage in a text is no reason to give up.
            connection.text_factory = lambda text: text.decode("utf-8", "backslashreplace")
            connection.execute("BEGIN")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA_VERSION:
                raise NewerSpoolError(
                    f"the spool {path} has version {version}, and this agent knows "
                    f"{SCHEMA_VERSION}: install the later agent again"
                )
            if not path.stat().st_size:
                raise sqlite3.DatabaseError("it is empty")
            if version == 0:
                raise MissingSpoolError(f"the spool {path} is only just being made")
            if thorough:
                (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
                if verdict != "ok":
                    raise sqlite3.DatabaseError(verdict)
            try:
                return _report(connection)
            except _NONSENSE as error:
                raise DamagedSpoolError(f"the spool {path} holds nonsense: {error!r}") from error


def _report(connection: sqlite3.Connection) -> SpoolReport:
    waiting, size = connection.execute(
        "SELECT count(*), coalesce(sum(size), 0) FROM events"
    ).fetchone()
    oldest = connection.execute("SELECT body FROM events ORDER BY seq LIMIT 1").fetchone()
    (dead_letters,) = connection.execute("SELECT count(*) FROM dead_letters").fetchone()
    refused_at, refusal = connection.execute(
        "SELECT refused_at, reason FROM dead_letters ORDER BY seq DESC LIMIT 1"
    ).fetchone() or (None, "")
    state = dict(connection.execute("SELECT name, value FROM state").fetchall())
    reports = connection.execute("SELECT body FROM events WHERE type = ?", (SPOOL_OVERFLOW,))
    reported = sum(json.loads(body)["lost_events"] for (body,) in reports)
    return SpoolReport(
        position=Position.from_json(state["position"]) if "position" in state else None,
        waiting=waiting,
        oldest_at=None if oldest is None else read_timestamp(json.loads(oldest[0])["timestamp"]),
        size=size,
        dropped=reported + sum(json.loads(state.get("dropped", "{}")).values()),
        dead_letters=dead_letters,
        refused_at=None if refused_at is None else read_timestamp(refused_at),
        refusal=str(refusal),
    )
