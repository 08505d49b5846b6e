"""What the tests of a restore look at, and what they do to a database. Times in microseconds."""

import json
import sqlite3
import time
from contextlib import closing, contextmanager

from watchtower_collector.store.restore_note import restore_note
from watchtower_collector.store.sqlite import SQLiteStore

LATER = 1_800_000_000_000_000
DAY = 86_400_000_000
NOW = time.time_ns() // 1_000


def ids(database):
    """Return the ids of the agents' events."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            "SELECT id FROM events WHERE type != 'store_restored' ORDER BY id"
        )
        return [id_ for (id_,) in rows]


def noted(database):
    """Return what the restored database says of its own restores."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT id, extra FROM events WHERE type = 'store_restored'")
        return [(id_, json.loads(extra)) for id_, extra in rows]


def names(database):
    """Return what is in the database's directory."""
    return sorted(file.name for file in database.parent.iterdir())


@contextmanager
def at_work(database):
    """Keep the database open, so that nobody's leaving writes the WAL back."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("SELECT count(*) FROM events").fetchone()
        yield


def damage(database):
    """Overwrite the first page: nothing of it can be read any more."""
    with database.open("r+b") as file:
        file.write(b"\xff" * 4_096)


def note_of(database):
    with closing(SQLiteStore(database)) as store:
        return store.read(restore_note)
