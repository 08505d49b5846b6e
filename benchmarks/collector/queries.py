"""How long ``GET /events`` takes, filter by filter, against SQL written by hand.

Three ways in turn, on one database, each with other values every time: the SQL by hand through
Python's ``sqlite3``; the store's page; ``GET /events`` of a real collector. The first page, and
the thousandth of those that have as many. What a question needs is in memory, but for those that
are asked of the disk as well.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import httpx
from event_database import event_database
from questions import Question, Questions
from servers import unused_port

from watchtower_collector.store.cursor import encode_cursor
from watchtower_collector.store.query import Position, page
from watchtower_collector.store.sqlite import SQLiteStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Way = Callable[[Question, Position | None], int]

LIMIT = 100
LATE = 1_000  # pages
# They read the most, and are measured from the disk, too.
ALSO_FROM_DISK = ("the latest", "region", "q within a day")
KEY = "admin-key-of-the-benchmark-0123456789abcdef"
ORDER = "ORDER BY timestamp DESC, id DESC"


def by_hand(connection: sqlite3.Connection, question: Question, after: Position | None) -> int:
    """Ask in SQL and return how many events there are."""
    where, values = question.where, [*question.values]
    if after is not None:
        where += " AND (timestamp, id) < (?, ?)"
        values += [after.timestamp, after.id]
    source = f"events INDEXED BY {question.index} WHERE {where} {ORDER} LIMIT {LIMIT}"
    statement = f"SELECT * FROM {source}"
    if question.is_sorted:
        statement = f"SELECT * FROM events WHERE id IN (SELECT id FROM {source}) {ORDER}"
    cursor = connection.execute(statement, values)
    names = [column[0] for column in cursor.description]
    return len([dict(zip(names, row, strict=True)) for row in cursor])


def by_store(store: SQLiteStore, question: Question, after: Position | None) -> int:
    """Ask the store's page likewise."""
    return len(store.read(lambda connection: page(connection, question.events, after, LIMIT)))


def by_http(client: httpx.Client, question: Question, after: Position | None) -> int:
    """Ask the collector likewise."""
    cursor = "" if after is None else f"&cursor={encode_cursor(after)}"
    response = client.get(f"/events?limit={LIMIT}{cursor}&{question.query}")
    response.raise_for_status()
    return len(response.json())


def late_position(connection: sqlite3.Connection, question: Question) -> Position | None:
    """Return where the page before the late one ends; ``None`` when there are not as many."""
    statement = (
        f"SELECT timestamp, id FROM events INDEXED BY {question.index} WHERE {question.where} "
        f"{ORDER} LIMIT 1 OFFSET {LIMIT * (LATE - 1) - 1}"
    )
    found = connection.execute(statement, question.values).fetchone()
    return None if found is None else Position(*found)


def start(path: Path) -> tuple[subprocess.Popen[bytes], httpx.Client]:
    """Start a collector on the database; return it and a client when it answers."""
    with unused_port() as port:
        environment = {
            **os.environ,
            "ADMIN_API_KEY": KEY,
            "WATCHTOWER_AGENT_TOKEN": "agent-token-of-the-benchmark-0123456789",
            "WATCHTOWER_DB_PATH": str(path),
            # The year of history stays as it is, its heartbeats too.
            "WATCHTOWER_HEARTBEAT_DAYS": "0",
            "WATCHTOWER_PORT": str(port),
        }
        program = [sys.executable, "-m", "watchtower_collector"]
        process = subprocess.Popen(program, env=environment, stderr=subprocess.DEVNULL)
        headers = {"X-Admin-Api-Key": KEY}
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60)
        while process.poll() is None:
            try:
                client.get("/healthz")
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                return process, client
    raise SystemExit(f"the collector ended with {process.returncode}")


def p95(taken: list[float]) -> float:
    """Return the 95th percentile, in milliseconds."""
    return 1_000 * statistics.quantiles(taken, n=20, method="inclusive")[-1]


def drop_from_memory(path: Path) -> None:
    """Let the kernel forget what it has read of a file."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(
    name: str,
    questions: list[tuple[Question, Position | None]],
    ways: dict[str, Way],
    on_disk: Path | None = None,
) -> None:
    """Ask each question each way, and print a line of a table.

    From memory: with ``by hand`` it is asked once before it is measured. Or from the disk, when
    the database's path is given: then SQLite's own caches are as they are, of some megabytes.
    """
    times: dict[str, list[float]] = {way: [] for way in ways}
    processor: dict[str, list[float]] = {way: [] for way in ways}
    order = list(ways)
    for question, after in questions:
        found = {ways["by hand"](question, after)}
        # What the processor's caches hold, the first reads for the others: all have their turn.
        order.append(order.pop(0))
        for way in order:
            if on_disk is not None:
                drop_from_memory(on_disk)
            began, worked = time.perf_counter(), time.thread_time()
            found.add(ways[way](question, after))
            times[way].append(time.perf_counter() - began)
            processor[way].append(time.thread_time() - worked)
        assert len(found) == 1, f"{question}: the ways differ, {found}"
    if len(questions) > 1:
        cells = [f"{p95(taken):.1f}" for taken in times.values()]
        cells.append(f"{p95(processor['store']) / p95(processor['by hand']):.2f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--repetitions", type=int, default=100)
    arguments = parser.parse_args()
    path = event_database(arguments.events)
    connection = sqlite3.connect(path)
    store = SQLiteStore(path)
    process, client = start(path)
    ways: dict[str, Way] = {
        "by hand": lambda q, a: by_hand(connection, q, a),
        "store": lambda q, a: by_store(store, q, a),
        "HTTP": lambda q, a: by_http(client, q, a),
    }
    made = Questions()
    head = "SQL by hand, ms | the store, ms | over HTTP, ms | store to SQL, processor time"
    try:
        for title, kinds, repetitions in (
            ("first page", made.common(), arguments.repetitions),
            (f"page {LATE}", made.common(), max(2, arguments.repetitions // 2)),
            ("rare, first page", made.rare(), max(3, arguments.repetitions // 20)),
        ):
            print(f"\n| {title} | {head} |\n| --- | --- | --- | --- | --- |")
            for name, make in kinds.items():
                asked = [make() for _ in range(repetitions + 1)]
                positions = [(one, None) for one in asked]
                if title.startswith("page"):
                    late = [(one, late_position(connection, one)) for one in asked]
                    positions = [pair for pair in late if pair[1] is not None]
                # One for nothing: SQLAlchemy writes a statement's text once in a process.
                if positions:
                    by_store(store, *positions.pop())
                measure(name, positions, ways)
                if title == "first page" and name in ALSO_FROM_DISK:
                    measure(f"{name}, from the disk", positions, ways, path)
    finally:
        client.close()
        process.terminate()
        process.wait()
        store.close()
        connection.close()


if __name__ == "__main__":
    main()
