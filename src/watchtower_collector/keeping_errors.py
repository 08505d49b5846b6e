"""Why a backup or a restore was not made.

::

    KeepingError
     ├─ BackupError            no backup was made
     └─ RestoreError           the present database is in place as before
         ├─ DatabaseInUseError  somebody works with it
         └─ NewerEventsError    it has events that the backup has not
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchtower_collector.loss import Lost


class KeepingError(Exception):
    """It was not done; the message says why, and what to do."""


class BackupError(KeepingError):
    """No backup was made, and none was removed."""


class RestoreError(KeepingError):
    """Nothing was restored: the database is the one it was."""


class DatabaseInUseError(RestoreError):
    """Another process works with the database."""


class NewerEventsError(RestoreError):
    """The present database has events that the backup has not; ``lost`` says which.

    Or it may have: it is damaged, and ``lost.events`` is ``None``.
    """

    def __init__(self, lost: Lost) -> None:
        self.lost = lost
        if lost.events is None:
            has = "is damaged, and may have any number of events"
        else:
            has = "has 1 event" if lost.events == 1 else f"has {lost.events} events"
        super().__init__(f"the present database {has} that the backup has not")
