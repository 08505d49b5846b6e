"""A database that has been in use for a year: made once, kept in .cache, copied for each run."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import sqlite3
import time
from typing import TYPE_CHECKING, Any

from traffic import Traffic

from watchtower_collector.event import event_row, parse_event
from watchtower_collector.store.migrations import STEPS, migrate
from watchtower_collector.store.schema import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

YEAR_US = 365 * 86_400 * 1_000_000
_SEED = 4711
_CHUNK = 10_000


def insert_statement() -> str:
    """Return the INSERT of one row, with named parameters; the database numbers the rows."""
    names = [column.name for column in EVENTS.columns if column.name != "id"]
    columns = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(f":{name}" for name in names)
    return f"INSERT INTO events ({columns}) VALUES ({values})"


def rows(traffic: Traffic, times: Sequence[int], ids: random.Random) -> list[dict[str, Any]]:
    """Return events as rows of the store, received a second after they happened."""
    return [
        event_row(parse_event(traffic.event(at, ids.randbytes(16).hex())), at + 1_000_000)
        for at in times
    ]


def _chunks(events: int, end: int) -> Iterator[list[dict[str, Any]]]:
    traffic, ids = Traffic(_SEED), random.Random(_SEED)
    for first in range(0, events, _CHUNK):
        numbers = range(first, min(first + _CHUNK, events))
        times = [end - YEAR_US + YEAR_US * number // events for number in numbers]
        yield rows(traffic, times, ids)


def _fill(path: Path, events: int) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    # Nobody needs half of it: a run that is interrupted begins anew.
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA cache_size = -2000000")
    # The indexes grow with the table. Made afterwards they would be packed tighter than any that
    # is in use, and the first new events would split every page.
    migrate(connection)
    statement = insert_statement()
    connection.execute("BEGIN")
    for chunk in _chunks(events, time.time_ns() // 1_000):
        connection.executemany(statement, chunk)
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()


def history(cache: Path, events: int) -> Path:
    """Return a database of so many events, made now unless an earlier run left it."""
    schema = hashlib.sha256(repr(STEPS).encode()).hexdigest()[:8]
    path = cache / f"history-{events}-{schema}.db"
    if not path.exists():
        print(f"making {path.name}, once", flush=True)
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = cache / f"{path.name}.{os.getpid()}"
        unfinished.unlink(missing_ok=True)
        try:
            _fill(unfinished, events)
            unfinished.rename(path)
        finally:
            unfinished.unlink(missing_ok=True)
    return path


def copy(source: Path, target: Path) -> Path:
    """Copy a database that nobody has open, and see it on disk before anything is measured."""
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return target
