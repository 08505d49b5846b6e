"""What a restored database remembers of its restore, for the agents: they send again."""

from __future__ import annotations

import os
from dataclasses import dataclass

import sqlalchemy as sa

from watchtower_collector.store.schema import STORE_STATE
from watchtower_collector.timestamps import now_us

# Some agents may not have heard of a restore when the next one comes. In microseconds.
_HEARD_OF_BY_ALL = 30 * 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class RestoreNote:
    """A restore after which acknowledged events were missing."""

    id: str
    """Another one for each restore: 32 hex digits."""
    missing_since: int
    """When the first of the missing events was stored at the earliest, microseconds since 1970."""


def restore_note(connection: sa.Connection) -> RestoreNote | None:
    """Return the note of the last restore, ``None`` when nothing was ever missing."""
    state = sa.select(STORE_STATE.c.restore_id, STORE_STATE.c.missing_since)
    found = connection.execute(state).one()
    return None if found.restore_id is None else RestoreNote(found.restore_id, found.missing_since)


def note_restore(connection: sa.Connection, missing_since: int) -> None:
    """Note that what was stored from ``missing_since`` on is missing, as from now."""
    before = restore_note(connection)
    if before is not None and now_us() - before.missing_since < _HEARD_OF_BY_ALL:
        missing_since = min(missing_since, before.missing_since)
    state = {"restore_id": os.urandom(16).hex(), "missing_since": missing_since}
    connection.execute(sa.update(STORE_STATE).values(state))
