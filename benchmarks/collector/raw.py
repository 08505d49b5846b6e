"""The baseline of batches: sqlite3.executemany in one process, a transaction for each batch.

    python raw.py DATABASE SECONDS EVENTS   prints what it did as JSON

The pragmas are those of the collector's writing connection, set by its own function.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import sys
import time

from history import insert_statement, rows
from traffic import Traffic

from watchtower_collector.store.sqlite import _writer_pragmas

_BATCHES = 100  # of rows made before the clock runs; each time with other event ids


def main(path: str, seconds: float, size: int) -> None:
    traffic, ids = Traffic(time.time_ns()), random.Random(time.time_ns())
    now = time.time_ns() // 1_000
    batches = [rows(traffic, [now + i for i in range(size)], ids) for _ in range(_BATCHES)]
    connection = sqlite3.connect(path, isolation_level=None)
    _writer_pragmas(connection, None)
    statement = insert_statement()
    done = 0
    used, begun = time.process_time(), time.monotonic()
    while time.monotonic() - begun < seconds:
        batch = batches[done % _BATCHES]
        for row in batch:
            row["event_id"] = os.urandom(16)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(statement, batch)
        connection.execute("COMMIT")
        done += 1
    took, used = time.monotonic() - begun, time.process_time() - used
    connection.close()
    print(json.dumps({"events": done * size, "seconds": took, "cpu": used}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
