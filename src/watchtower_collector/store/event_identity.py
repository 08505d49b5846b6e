"""Whether two events of one ``event_id`` are the same event: agents choose the id, and may lie."""

from __future__ import annotations

import hashlib
import json
import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watchtower_collector.store import Row

# What happened, and where. Not how it is labelled, who sent it or when it came.
COMPARED = ("hostname", "type", "timestamp", "user", "source_ip", "raw_message")
_of_row = operator.itemgetter(*COMPARED)
# So that such an id is no hash of anything else.
_DOMAIN = b"watchtower: another event under this event_id\n"

Essence = tuple[Any, ...]


def essence(values: Essence) -> Essence:
    """Return what two events of one id must have in common, of the values of ``COMPARED``.

    The id of a ``journal_gap`` stands for the gap, not for an entry of the journal: an agent that
    comes upon the same damage again, after a restart, gives it other ends.
    """
    return values[:2] if values[1] == "journal_gap" else values


def essence_of(row: Row) -> Essence:
    """Return what another event of the same id must have in common with this one."""
    return essence(_of_row(row))


def id_beside(row: Row) -> bytes:
    """Return the id of an event whose own one, ``row["event_id"]``, is taken by another event.

    It is the same whenever the event comes again.
    """
    parts = [row["event_id"].hex(), *essence_of(row)]
    return hashlib.sha256(_DOMAIN + json.dumps(parts).encode("ascii")).digest()[:16]
