"""The directory of the backups: one run at a time, whole files only, the newest few are kept."""

from __future__ import annotations

import fcntl
import os
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from watchtower_collector.keeping_errors import BackupError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = re.compile(r"watchtower-\d{8}T\d{6}Z\.db", re.ASCII)
# What a run that was killed left: the unfinished file, and what SQLite keeps beside one.
_UNFINISHED = re.compile(_NAME.pattern + r"\.part(-journal|-wal|-shm)?", re.ASCII)


class BackupDirectory:
    """Only one process has it at a time; see :func:`open_backup_directory`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def remove_unfinished(self) -> None:
        """Remove what killed runs left."""
        for file in self._matching(_UNFINISHED):
            file.unlink(missing_ok=True)

    def new_name(self) -> Path:
        """Return the path of the next backup, named after the present second."""
        while True:
            path = self.path / time.strftime("watchtower-%Y%m%dT%H%M%SZ.db", time.gmtime())
            if not path.exists():
                return path
            time.sleep(0.05)  # made in this very second

    def publish(self, unfinished: Path, path: Path) -> None:
        """Give the finished file its name; it is on disk, and so is its name afterwards.

        Raises:
            OSError: the disk fails.
        """
        descriptor = os.open(unfinished, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        unfinished.rename(path)
        os.fsync(self._descriptor)

    def remove_old(self, keep: int, newest: Path) -> list[Path]:
        """Remove all backups but the last ``keep``, and return which; ``newest`` always stays.

        A clock that was set back gives the newest backup the name of an old one. Those with a name
        of the future are from before that, and count as the oldest.
        """
        others = [file for file in self._matching(_NAME) if file != newest]
        others.sort(key=lambda file: (file < newest, file))
        old = others[: max(0, len(others) - (keep - 1))]
        for file in old:
            file.unlink()
        return old

    def _matching(self, names: re.Pattern[str]) -> list[Path]:
        return [file for file in self.path.iterdir() if names.fullmatch(file.name)]


@contextmanager
def open_backup_directory(path: Path) -> Iterator[BackupDirectory]:
    """Have the directory to ourselves meanwhile.

    Raises:
        BackupError: it is not there or not ours, or another backup is being made in it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise BackupError(f"cannot use the directory {path}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield BackupDirectory(path, descriptor)
    except BlockingIOError:
        raise BackupError(
            f"another backup into {path} is at work; wait for its end (fuser {path} shows it)"
        ) from None
    finally:
        os.close(descriptor)
