"""The events that the collector has not acknowledged yet, and how far the journal was read.

One SQLite file. Events and the cursor behind them are committed in one transaction, so after a
crash at any moment either both are there or neither.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

from watchtower_agent.counters import Counters
from watchtower_agent.event import (
    JOURNAL_GAP,
    LOGIN,
    LOGIN_FAILED,
    SPOOL_OVERFLOW,
    UNTRUSTED,
    Event,
    format_timestamp,
    hash_id,
    hostname_field,
)
from watchtower_agent.log import complain
from watchtower_agent.restored import LookBack
from watchtower_agent.spool_file import as_spool_error, open_spool_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from watchtower_agent.host import Host
    from watchtower_agent.restored import Restored

log = logging.getLogger(__name__)

FILE_NAME = "spool.db"
DEAD_LETTERS_KEPT = 1000
# What a row costs beside its text: keys, index entries, page slack.
_ROW_OVERHEAD = 200

_SUM_OF_SIZES = "SELECT coalesce(sum(size), 0) FROM events"

# What the reader remembers by name: boots that are read or being read, and the journal's files
# that were set aside unclosed and are read to their last entry.
Known = Literal["boots", "unclean_files"]

# When the spool is full, the lowest number goes first, the oldest within it. Anybody can write
# untrusted entries and cause failures, so they must not be able to push out a login.
_IMPORTANCE = {UNTRUSTED: 0, LOGIN_FAILED: 1, LOGIN: 3, JOURNAL_GAP: 4, SPOOL_OVERFLOW: 4}
_ORDINARY = 2


@dataclass(frozen=True)
class Position:
    """How far the journal was read: the last entry's cursor, boot and time of reception."""

    cursor: str
    boot_id: str
    realtime: int  # microseconds since 1970

    @classmethod
    def from_json(cls, text: str) -> Position:
        """Read what the spool remembers.

        Raises:
            ValueError, TypeError, OverflowError: it is none.
        """
        position = cls(**json.loads(text))
        if not (isinstance(position.cursor, str) and isinstance(position.boot_id, str)):
            raise TypeError("the position is none")
        format_timestamp(position.realtime)
        return position


@dataclass(frozen=True)
class SpooledEvent:
    """An event as it lies in the spool."""

    seq: int
    body: str


class Spool:
    """The spool file. Its methods may be called from several threads.

    Attributes:
        arrived: set whenever events were added. Who waits for it clears it before looking.
        counters: what was committed since the spool was opened.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        """Open the spool, or make it.

        Raises:
            SpoolError: it can be neither opened nor made.
            NewerSpoolError: it must not be touched by this version.
        """
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self.arrived = threading.Event()
        self.counters = Counters()
        self._path = directory / FILE_NAME
        self._connection, aside = open_spool_file(self._path, _check_state)
        with as_spool_error(self._path):
            if aside is not None:
                self._set_state("replaces", str(aside))
            self._bytes = self._scalar(_SUM_OF_SIZES)

    def add(
        self,
        events: Sequence[Event],
        position: Position | None,
        look_back: LookBack | None = None,
    ) -> int:
        """Store events and, in the same transaction, the position behind them.

        An event whose id is in the spool already is not stored again. Returns how many are new.
        What is read for the second time goes with its ``look_back`` instead of a position; that
        is not stored if another restore was heard of meanwhile.

        Raises:
            SpoolError: nothing was stored.
        """
        with self._lock:
            with self._transaction():
                added = self._insert(events)
                if position is not None:
                    self._set_state("position", json.dumps(asdict(position)))
                if look_back is not None and self._is_of_this_restore(look_back):
                    self._set_state("look_back", look_back.to_json())
                dropped = self._evict()
            self.counters.events_spooled += added
            self.counters.events_dropped += dropped
        if added:
            self.arrived.set()
        return added

    def position(self) -> Position | None:
        """Return where to read on, or None before the first reading.

        Raises:
            SpoolError: the spool cannot be read.
        """
        with self._lock, as_spool_error(self._path):
            text = self._state("position")
        return None if text is None else Position.from_json(text)

    def known(self, what: Known) -> list[str] | None:
        """Return the boots or files that were noted, or None before any were.

        Raises:
            SpoolError: the spool cannot be read.
        """
        with self._lock, as_spool_error(self._path):
            text = self._state(what)
        return None if text is None else json.loads(text)

    def know(self, what: Known, names: Sequence[str]) -> None:
        """Note boots or files, in place of those noted before.

        Raises:
            SpoolError: nothing was changed.
        """
        with self._lock, self._transaction():
            self._set_state(what, json.dumps([*names]))

    def begin_at(self, realtime: int) -> None:
        """Note from when on the journal is read at all, in microseconds since 1970.

        That is when the spool is new. It is noted once, and not for one that takes the place of
        a damaged one: then all is read that there is.

        Raises:
            SpoolError: nothing was changed.
        """
        with self._lock, self._transaction():
            if not any(map(self._state, ("began_at", "position", "replaces"))):
                self._set_state("began_at", str(realtime))

    def began_at(self, now: int) -> int:
        """Return from when on the journal is read at all, both in microseconds since 1970.

        It is 0, for all there is, if that is not noted, or later than now: then it was noted by
        another clock, and nobody knows when.

        Raises:
            SpoolError: the spool cannot be read.
        """
        with self._lock, as_spool_error(self._path):
            return self._began_at(now)

    def look_back(self) -> LookBack | None:
        """Return what is left to be read a second time, or None if nothing ever was.

        Raises:
            SpoolError: the spool cannot be read.
        """
        with self._lock, as_spool_error(self._path):
            text = self._state("look_back")
        return None if text is None else LookBack.from_json(text)

    def hear_of_restore(self, restored: Restored) -> None:
        """Have the journal read a second time, unless that restore is known.

        What was left to be read because of an earlier one is read with it.

        Raises:
            SpoolError: nothing was changed.
        """
        with self._lock, self._transaction():
            text = self._state("look_back")
            known = None if text is None else LookBack.from_json(text)
            if known is not None and known.restore_id == restored.restore_id:
                return
            look_back = LookBack.begin(restored, self._began_at(time.time_ns() // 1000))
            if known is not None and not known.is_over:
                look_back = replace(look_back, since=min(look_back.since, known.since))
            self._set_state("look_back", look_back.to_json())

    def replaces(self) -> str | None:
        """Return where the damaged spool is kept that this one took the place of, if it did.

        Raises:
            SpoolError: the spool cannot be read.
        """
        with self._lock, as_spool_error(self._path):
            return self._state("replaces")

    def batch(
        self, max_events: int, max_bytes: int, without: Sequence[str] = ()
    ) -> list[SpooledEvent]:
        """Return the oldest events: at least one if there is any, within the bounds otherwise.

        Those that carry one of the host names ``without`` are passed by.

        Raises:
            SpoolError: the spool cannot be read.
        """
        with self._lock, as_spool_error(self._path):
            others = "WHERE true" + " AND instr(body, ?) = 0" * len(without)
            statement = f"SELECT seq, body FROM events {others} ORDER BY seq LIMIT ?"  # noqa: S608  # made of constants
            values = (*map(hostname_field, without), max_events)
            rows = self._connection.execute(statement, values)
            chosen: list[SpooledEvent] = []
            damaged: list[int] = []
            size = 0
            for seq, body in rows:
                if not _is_whole(body):
                    damaged.append(seq)
                    continue
                size += len(body) + 1
                if chosen and size > max_bytes:
                    break
                chosen.append(SpooledEvent(seq, body))
            rows.close()
        if damaged:
            complain(
                log,
                "Events in the spool %s are damaged; they are kept as dead letters: %d.",
                self._path,
                len(damaged),
            )
            self.settle([], [(seq, "it was damaged in the spool") for seq in damaged])
        return chosen

    def settle(self, delivered: Sequence[int], refused: Sequence[tuple[int, str]]) -> None:
        """Forget what was acknowledged; move what was refused, with its reason, aside.

        Raises:
            SpoolError: nothing was changed; the events will be sent again.
        """
        with self._lock, self._transaction():
            now = format_timestamp(time.time_ns() // 1000)
            for seq, reason in refused:
                self._connection.execute(
                    "INSERT INTO dead_letters (refused_at, reason, body) "
                    "SELECT ?, ?, body FROM events WHERE seq = ?",
                    (now, reason, seq),
                )
            self._delete([*delivered, *(seq for seq, _ in refused)])
            if refused:
                self._connection.execute(
                    "DELETE FROM dead_letters WHERE seq <= "
                    "(SELECT max(seq) FROM dead_letters) - ?",
                    (DEAD_LETTERS_KEPT,),
                )
            emptied = not self._scalar("SELECT EXISTS (SELECT 1 FROM events)")
        self.counters.events_acknowledged += len(delivered)
        self.counters.events_rejected += len(refused)
        if emptied:
            self._shrink()

    def room(self, most_waiting: int) -> int:
        """Return how many bytes may be added without pushing out what comes anew.

        That is up to half of what the spool holds; 0 when more than so many events wait.

        Raises:
            SpoolError: the spool cannot be read.
        """
        with self._lock, as_spool_error(self._path):
            waiting = self._scalar(
                "SELECT count(*) FROM (SELECT 1 FROM events LIMIT ?)", (most_waiting + 1,)
            )
            return 0 if waiting > most_waiting else max(0, self._max_bytes // 2 - self._bytes)

    def depth(self) -> int:
        """Return how many events wait.

        Raises:
            SpoolError: the spool cannot be read.
        """
        with self._lock, as_spool_error(self._path):
            return self._scalar("SELECT count(*) FROM events")

    def report_overflow(self, host: Host) -> bool:
        """Turn the count of dropped events into one event that waits among the others.

        While such an event waits, further drops are counted for the next one, so that a long
        outage does not fill the spool with reports about its being full.

        Raises:
            SpoolError: nothing was changed.
        """
        with self._lock:
            with self._transaction():
                dropped = json.loads(self._state("dropped") or "{}")
                if not dropped or self._scalar(
                    "SELECT count(*) FROM events WHERE type = ?", (SPOOL_OVERFLOW,)
                ):
                    return False
                now = format_timestamp(time.time_ns() // 1000)
                counts = ", ".join(f"{count} {name}" for name, count in sorted(dropped.items()))
                text = (
                    f"The agent's spool was full and {sum(dropped.values())} events were dropped, "
                    f"the least important first: {counts}."
                )
                report = host.event(
                    SPOOL_OVERFLOW,
                    now,
                    hash_id(b"spool_overflow", host.name.encode(), now.encode()),
                    {
                        "raw_message": text,
                        "trusted": True,
                        "lost_events": sum(dropped.values()),
                    },
                )
                self._insert([report])
                self._set_state("dropped", "{}")
            self.counters.events_spooled += 1
            return True

    def close(self) -> None:
        """Close the file."""
        with self._lock, suppress(sqlite3.Error):
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        bytes_before = self._bytes
        with as_spool_error(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._bytes = bytes_before
                # A full disk may have ended the transaction already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _insert(self, events: Sequence[Event]) -> int:
        """Add events that are not there yet; return how many."""
        rows = []
        for event in events:
            body = event.to_json()
            size = stored_bytes(body)
            importance = _IMPORTANCE.get(event.type, _ORDINARY)
            rows.append((event.event_id, importance, event.type, size, body))
        before = self._connection.total_changes
        self._connection.executemany(
            "INSERT OR IGNORE INTO events (event_id, importance, type, size, body) "
            "VALUES (?, ?, ?, ?, ?)",
            rows,
        )
        added = self._connection.total_changes - before
        if added == len(rows):
            self._bytes += sum(row[3] for row in rows)
        else:
            self._bytes = self._scalar(_SUM_OF_SIZES)
        return added

    def _evict(self) -> int:
        """Make room, and count what went by type; return how many went."""
        dropped: dict[str, int] = {}
        excess = self._bytes - self._max_bytes
        if excess > 0:
            going = []
            for seq, name, size in self._connection.execute(
                "SELECT seq, type, size FROM events ORDER BY importance, seq"
            ):
                going.append(seq)
                dropped[name] = dropped.get(name, 0) + 1
                excess -= size
                if excess <= 0:
                    break
            self._delete(going)
        if dropped:
            counted = json.loads(self._state("dropped") or "{}")
            for name, count in dropped.items():
                counted[name] = counted.get(name, 0) + count
            self._set_state("dropped", json.dumps(counted))
        return sum(dropped.values())

    def _delete(self, seqs: Sequence[int]) -> None:
        for seq in seqs:
            row = self._connection.execute(
                "SELECT size FROM events WHERE seq = ?", (seq,)
            ).fetchone()
            if row is not None:
                self._connection.execute("DELETE FROM events WHERE seq = ?", (seq,))
                self._bytes -= row[0]

    def _began_at(self, now: int) -> int:
        # A spool of an earlier version does not know when it began.
        began_at = int(self._state("began_at") or 0)
        return began_at if began_at <= now else 0

    def _is_of_this_restore(self, look_back: LookBack) -> bool:
        text = self._state("look_back")
        return text is not None and LookBack.from_json(text).restore_id == look_back.restore_id

    def _shrink(self) -> None:
        """Give the disk space of a backlog back once it is gone."""
        with self._lock, suppress(sqlite3.Error):
            if self._scalar("PRAGMA freelist_count") > 1000:
                # It frees a page with each step, and only executescript steps to the end.
                self._connection.executescript("PRAGMA incremental_vacuum;")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _state(self, name: str) -> str | None:
        row = self._connection.execute(
            "SELECT value FROM state WHERE name = ?", (name,)
        ).fetchone()
        return None if row is None else row[0]

    def _set_state(self, name: str, value: str) -> None:
        self._connection.execute(
            "INSERT INTO state (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )

    def _scalar(self, statement: str, values: Sequence[object] = ()) -> int:
        with closing(self._connection.execute(statement, values)) as cursor:
            return int(cursor.fetchone()[0])


def stored_bytes(body: str) -> int:
    """Return what an event counts for in the spool's bound."""
    return len(body) + _ROW_OVERHEAD


def _check_state(connection: sqlite3.Connection) -> None:
    """Look whether what the spool remembers can be read.

    Raises:
        ValueError, TypeError, OverflowError: it cannot.
    """
    state = dict(connection.execute("SELECT name, value FROM state"))
    if "position" in state:
        Position.from_json(state["position"])
    dropped = json.loads(state.get("dropped", "{}"))
    if "look_back" in state:
        LookBack.from_json(state["look_back"])
    int(state.get("began_at", "0"))
    for name in ("boots", "unclean_files"):
        if not isinstance(json.loads(state.get(name, "[]")), list):
            raise TypeError(f"the {name} are none")
    if sum(dropped.values()) < 0:
        raise TypeError("the counts of dropped events are none")


def _is_whole(body: str) -> bool:
    """Return whether an event is one still, after whatever happened to the file."""
    try:
        return isinstance(json.loads(body), dict) and body.isascii()
    except (ValueError, RecursionError):
        return False
