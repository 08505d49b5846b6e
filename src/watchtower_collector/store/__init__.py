"""The store: one small interface, so that a second database can stand behind it.

The exceptions::

    StoreError
     ├─ StoreUnavailableError   for now: disk full, locked, …; asking again later may work
     └─ StoreUnusableError      for good: a newer schema, somebody else's file; a person must act
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import sqlalchemy as sa

Row = dict[str, Any]
T = TypeVar("T")

READERS = 4  # queries at the same time; more would only wait for one another's pages


class StoreError(Exception):
    """Whatever the store says."""


class StoreUnavailableError(StoreError):
    """The store cannot do it now. ``reason`` is one word for ``/healthz``."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class StoreUnusableError(StoreError):
    """The store cannot be opened, and starting again will not help."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The event is committed under this id."""

    id: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The same event was committed before, under this id, with the same ``event_id``."""

    id: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The database takes this one event never; the others of its batch are not concerned."""

    message: str


Outcome = Stored | Duplicate | Refused


class EventStore(Protocol):
    """What the collector asks of a database."""

    def append(self, rows: Sequence[Row]) -> list[Outcome]:
        """Commit ``rows`` in one transaction and return one outcome for each, in order.

        On return they are on disk. Called from one thread only, the writer's. An ``event_id`` that
        another event has already does not keep one out: it is stored with a different one, by
        which it is recognized as well when it comes again.

        Raises:
            StoreUnavailableError: none of them is stored.
        """

    def probe(self) -> None:
        """Commit something small, to see whether the store can write. The writer's thread only.

        Raises:
            StoreUnavailableError: it cannot.
        """

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Return what ``work`` returns, done in one transaction. The writer's thread only.

        On return it is on disk. An exception of ``work`` undoes it, and is passed on.

        Raises:
            StoreUnavailableError: nothing of it is stored.
        """

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Return what ``work`` reads; all that it reads is of one moment.

        May be called from up to ``READERS`` threads at once.

        Raises:
            StoreUnavailableError: it cannot read, or it takes too long.
        """

    def used_bytes(self, connection: sa.Connection) -> int:
        """Return how many bytes the events and all else take; of ``read``'s connection.

        What was deleted does not count, whether or not the file has become smaller.
        """

    def tidy(self) -> None:
        """Do what the database needs from time to time. The writer's thread only.

        Raises:
            StoreUnavailableError: it could not be done.
        """

    def last_id(self, connection: sa.Connection) -> int:
        """Return the highest id that an event ever had here, 0 when there was none.

        It stays when that event is deleted. ``connection`` is the one that ``read`` gives.
        """

    def close(self) -> None:
        """Give everything back. No other call may follow."""
