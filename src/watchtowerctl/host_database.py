"""The database of the collector on this host."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from watchtowerctl.configuration import HOST_FILE
from watchtowerctl.errors import CONFIGURATION, UNAVAILABLE, CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT = Path("/var/lib/watchtower/watchtower.db")
_NAME = "WATCHTOWER_DB_PATH"


def host_database(
    environment: Mapping[str, str] = os.environ, host_file: Path = Path(HOST_FILE)
) -> Path:
    """Return where the database is: the environment wins over the collector's settings.

    Those only root can read; without them it is where the role puts it.
    """
    path = environment.get(_NAME, "")
    if not path and os.access(host_file, os.R_OK):
        found = re.search(rf'^{_NAME}="?([^"\n]*)', host_file.read_text("utf-8"), re.MULTILINE)
        path = found[1] if found else ""
    return Path(path or DEFAULT).absolute()


def not_done(doing: str, error: Exception) -> CommandError:
    """Return what it means that a backup or a restore was not made.

    Words about a file that the system would not give are ours: they name the file and the reason.
    """
    cause = error.__cause__
    if not isinstance(cause, OSError):
        return CommandError(UNAVAILABLE, str(error))
    about = f"{cause.filename}: " if cause.filename else ""
    owner = ". Use sudo; files and folders there must belong to the collector's user"
    hint = owner if isinstance(cause, PermissionError) else ""
    return CommandError(UNAVAILABLE, f"{doing}: {about}{cause.strerror}{hint}")


def not_here() -> CommandError:
    """Return the error of a machine that has no collector."""
    return CommandError(
        CONFIGURATION,
        "this works on the collector's host only, with the watchtowerctl that is installed there: "
        "log in to it, and use sudo",
    )
