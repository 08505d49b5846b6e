"""Is a file a whole database of Watchtower's, and what is in it?"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchtower_collector.keeping_errors import KeepingError
from watchtower_collector.store import StoreUnusableError
from watchtower_collector.store.migrations import STEPS, schema_version
from watchtower_collector.version import VERSION

if TYPE_CHECKING:
    from pathlib import Path


class CheckError(KeepingError):
    """The file is damaged, or not what it should be; the message begins with its path."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a database holds."""

    schema: int
    events: int
    newest_id: int | None
    newest_received_at: int | None
    """When the newest event was stored, in microseconds since 1970."""


def check_database(path: Path, called: Path | None = None) -> Contents:
    """Read the whole file and return what it holds. Nothing may be writing to it.

    Errors speak of ``called``, the file that the operator knows, where ``path`` is a copy of it.

    Raises:
        CheckError: it is damaged, not Watchtower's, or of a newer Watchtower.
    """
    called = called or path
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            return _check(called, connection)
    except StoreUnusableError as error:
        raise CheckError(f"{called}: {error}") from error
    except sqlite3.Error as error:
        raise CheckError(f"{called} cannot be read as a database: {error}") from error


def _check(called: Path, connection: sqlite3.Connection) -> Contents:
    # Not integrity_check: that also looks every row up in every index, which takes hours instead
    # of minutes on a large database, and an index can be made anew from the rows.
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise CheckError(f"{called} is damaged: {verdict}")
    version = schema_version(connection)
    if version == 0:
        raise CheckError(f"{called} is an empty database, not one of Watchtower's")
    if version > len(STEPS):
        raise CheckError(
            f"{called} has a schema of version {version}, and Watchtower {VERSION} knows versions "
            f"up to {len(STEPS)}: use the Watchtower that wrote it, or a newer one"
        )
    (events,) = connection.execute("SELECT count(*) FROM events").fetchone()
    newest = connection.execute(
        "SELECT id, received_at FROM events ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return Contents(version, events, *(newest or (None, None)))
