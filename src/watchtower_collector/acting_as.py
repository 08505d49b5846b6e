"""Working in a service's directory as root, with no more rights than the service has."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def acting_as_owner(directory: Path) -> Iterator[None]:
    """Act as the owner of ``directory`` meanwhile, when this process is root's; else as we are.

    Who owns a directory can put links into it. Followed as root they would lead anywhere; followed
    as the owner they lead only where it may go itself. And what is made belongs to the right user.

    Raises:
        OSError: the directory is not there.
    """
    status = directory.stat()
    if os.geteuid() != 0 or status.st_uid == 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([])
    os.setegid(status.st_gid)
    os.seteuid(status.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)
