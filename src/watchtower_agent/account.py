"""The account that the service runs as."""

from __future__ import annotations

import grp
import os
import pwd
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchtower_agent.service import Service

USER = "watchtower-agent"


class NoAccountError(Exception):
    """The account does not exist."""


def become_service_user(service: Service | None) -> None:
    """Give root's rights up, for good, for those that the service has; others keep theirs.

    What the agent's user wrote, a spool that it may have been made to prepare, is then read
    without root's rights; SQLite leaves no file behind that is root's; and a check tells what the
    *agent* may do.

    Raises:
        NoAccountError: there is no such user. Nothing was changed.
    """
    if os.geteuid() != 0:
        return
    name = (service.user if service is not None else "") or USER
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        raise NoAccountError(f"there is no user {name} on this host") from None
    groups = set(os.getgrouplist(name, account.pw_gid))
    for group in service.groups if service is not None else []:
        with suppress(KeyError):
            groups.add(grp.getgrnam(group).gr_gid)
    os.setgroups(sorted(groups))
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
