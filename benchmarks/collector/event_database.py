"""Makes a database of a fleet's events, as large as wanted, and keeps it for the next time.

A year of 1,000 hosts. Most failures are of a few names from a few addresses, behind them come
20,000 names and 200,000 addresses; a few values occur hardly ever, and are named below.
"""

from __future__ import annotations

import bisect
import itertools
import random
import sqlite3
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchtower_collector.addresses import sortable_bytes
from watchtower_collector.store.migrations import STEPS, migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE = Path(__file__).resolve().parents[2] / ".cache/benchmarks"
END = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z in microseconds
YEAR = 365 * 86_400_000_000
START = END - YEAR
HOSTS, USERS, ADDRESSES = 1_000, 20_000, 200_000
REGIONS = [f"{area}-{n}" for area in ("eu", "us", "ap", "sa", "af") for n in range(1, 5)]
GROUPS = [
    *("web", "db", "cache", "queue", "search", "mail", "dns", "proxy", "build", "batch"),
    *("log", "auth", "backup", "stage", "test", "edge", "media", "files", "vpn", "lab"),
]
SEVERITIES = ("low", "normal", "high", "critical")
# Rare values: one host's region, and a name with five events.
RARE_REGION, RARE_USER, RARE_METHOD = "aq-1", "hapax", "hostbased"
SHARES = {
    "login_failed": 400,
    "heartbeat": 300,
    "connection_failed": 90,
    "login": 50,
    "session_opened": 50,
    "session_closed": 50,
    "sudo": 40,
    "login_refused": 10,
    "login_step": 4,
    "sudo_failed": 3,
    "su": 2,
    "su_failed": 0.9,
    "untrusted": 0.1,
}
COLUMNS = (
    *("event_id", "type", "timestamp", "received_at", "hostname", "user", "method"),
    *("source_ip", "source_addr", "source_port", "raw_message", "region", "host_group"),
    *("severity", "flagged", "trusted", "ambiguous", "spool_depth"),
)
_CHUNK = 100_000


def _skewed(count: int, exponent: float) -> list[float]:
    return list(itertools.accumulate(1 / rank**exponent for rank in range(1, count + 1)))


class Fleet:
    """Hosts, users and addresses, and what happens there."""

    def __init__(self) -> None:
        self._random = random.Random(20_260_101)
        chosen = self._random
        self.hosts = []
        for n in range(HOSTS):
            group = chosen.choices(GROUPS, range(20, 0, -1))[0]
            region = chosen.choices(REGIONS, range(20, 0, -1))[0] if n else RARE_REGION
            severity = chosen.choices(SEVERITIES, (50, 40, 9, 1))[0]
            self.hosts.append((f"{group}-{n:04}", region, group, severity, n % 25 == 7))
        first = ("root", "admin", "test", "ubuntu", "oracle", "postgres", "git", "deploy")
        self.users = [*first, *(f"user{n}" for n in range(len(first), USERS))]
        self.addresses = [self._address(n) for n in range(ADDRESSES)]
        self._user_weights = _skewed(USERS, 1.1)
        self._address_weights = _skewed(ADDRESSES, 0.8)

    def _address(self, n: int) -> tuple[str, bytes | None]:
        chosen = self._random
        if n % 20 == 19:
            text = f"2001:db8:{chosen.randrange(65_536):x}::{n >> 16:x}:{n & 65_535:x}"
        else:
            text = f"{chosen.randrange(1, 224)}.{chosen.randrange(256)}.{n >> 8 & 255}.{n & 255}"
        return text, sortable_bytes(text)

    def _picks(self, weights: list[float], count: int) -> list[int]:
        total, chosen = weights[-1], self._random.random
        return [bisect.bisect_left(weights, chosen() * total) for _ in range(count)]

    def rows(self, count: int) -> Iterator[tuple[Any, ...]]:
        """Return ``count`` events as tuples of ``COLUMNS``, in the order of their arrival."""
        rare = {count * n // 5 for n in range(5)}
        for start in range(0, count, _CHUNK):
            yield from self._chunk(start, min(_CHUNK, count - start), count, rare)

    def _chunk(
        self, start: int, size: int, count: int, rare: set[int]
    ) -> Iterator[tuple[Any, ...]]:
        chosen = self._random
        ids = chosen.randbytes(16 * size)
        types = chosen.choices(list(SHARES), SHARES.values(), k=size)
        hosts = chosen.choices(self.hosts, k=size)
        users = self._picks(self._user_weights, size)
        sources = self._picks(self._address_weights, size)
        for n in range(size):
            hostname, region, group, severity, flagged = hosts[n]
            type_ = types[n]
            received = START + (start + n) * YEAR // count
            draw = chosen.random()
            # One in a hundred was in a spool for up to an hour.
            stamp = received - (400_000 if draw > 0.01 else int(draw * 360_000_000_000))
            common = (region, group, severity, flagged)
            if type_ == "heartbeat":
                yield (
                    *(ids[16 * n : 16 * n + 16], type_, stamp, received, hostname),
                    *(None, None, None, None, None, None, *common, True, False, 0),
                )
                continue
            address, packed = self.addresses[sources[n]]
            user = self.users[users[n]]
            if start + n in rare:
                user = RARE_USER
            method = "password" if draw < 0.8 else "keyboard-interactive/pam"
            if type_ in {"login", "login_step"}:
                method = "publickey" if draw < 0.95 else "password"
            elif type_ not in {"login_failed", "login_refused"}:
                method = None
            if type_ in {"sudo", "sudo_failed", "su", "su_failed", "untrusted"}:
                address = packed = None
            port = 1_024 + sources[n] % 60_000
            message = f"{type_} {method} for {user} from {address} port {port} ssh2"
            yield (
                *(ids[16 * n : 16 * n + 16], type_, stamp, received, hostname, user, method),
                *(address, packed, port, message, *common, type_ != "untrusted", False, None),
            )


def _fill(path: Path, events: int) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -400000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("PRAGMA threads = 2")
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'events' AND sql"
        " IS NOT NULL"
    ).fetchall()
    connection.execute("BEGIN")
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    marks = ", ".join("?" * len(COLUMNS))
    connection.executemany(
        f"INSERT INTO events ({', '.join(COLUMNS)}) VALUES ({marks})", Fleet().rows(events)
    )
    connection.execute("COMMIT")
    for _, statement in indexes:
        connection.execute(statement)
    connection.execute(
        "INSERT INTO hosts (hostname, first_seen, last_seen, region, host_group, severity) "
        "SELECT hostname, min(received_at), max(received_at), region, host_group, severity "
        "FROM events GROUP BY hostname"
    )
    connection.close()


def event_database(events: int) -> Path:
    """Return the path of a database with so many events; made when there is none yet."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f"events-{events}-schema-{len(STEPS)}.db"
    if not path.exists():
        began = time.monotonic()
        unfinished = path.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        _fill(unfinished, events)
        unfinished.rename(path)
        print(f"{path.name} made in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return path
