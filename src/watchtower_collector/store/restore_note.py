"""What a restored database remembers of its restore, for the agents: they send again."""

from __future__ import annotations

import os
from dataclasses import dataclass

import sqlalchemy as sa

from watchtower_collector.store.schema import STORE_STATE
from watchtower_collector.timestamps import now_us

# Some agents may not have heard of a restore when the next one comes. In microseconds.
HEARD_OF_BY_ALL = 30 * 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class RestoreNote:
    """A restore after which acknowledged events were missing. Times in microseconds since 1970."""

    id: str
    """Another one for each restore: 32 hex digits."""
    restored_at: int
    """When it took place."""
    missing_since: int
    """When the first of the missing events was stored or happened, whichever is earlier."""


def restore_note(connection: sa.Connection) -> RestoreNote | None:
    """Return the note of the last restore, ``None`` when nothing was ever missing."""
    columns = (STORE_STATE.c[name] for name in ("restore_id", "restored_at", "missing_since"))
    found = connection.execute(sa.select(*columns)).one()
    return None if found.restore_id is None else RestoreNote(*found)


def note_restore(connection: sa.Connection, missing_since: int) -> None:
    """Note that what was stored or happened from ``missing_since`` on is missing, as from now."""
    before, now = restore_note(connection), now_us()
    if before is not None and now - before.restored_at < HEARD_OF_BY_ALL:
        missing_since = min(missing_since, before.missing_since)
    state = {
        "restore_id": os.urandom(16).hex(),
        "restored_at": now,
        "missing_since": missing_since,
    }
    connection.execute(sa.update(STORE_STATE).values(state))
