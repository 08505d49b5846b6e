"""sudo's other format, ``Defaults log_format=json``: lib/eventlog/eventlog.c, do_syslog_json().

A line is ``@cee:`` and an object, with nothing in it that a value could break out of. 1.9.13 put
another object named sudo around it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from watchtower_agent.event import SUDO, SUDO_FAILED
from watchtower_agent.statement import Statement
from watchtower_agent.sudo_reasons import WARNING, reason_of

if TYPE_CHECKING:
    from collections.abc import Mapping

COOKIE = "@cee:"
_DETAILS = {
    "submituser": "user",
    "runuser": "target_user",
    "rungroup": "target_group",
    "runcwd": "directory",
    "ttyname": "tty",
}


def read_sudo_json(line: str, *, allowed: bool) -> Statement | None:
    """Return what a line says that begins with the cookie, or None if it makes no event.

    Args:
        line: the message, without its identifier.
        allowed: whether sudo wrote it at the priority for what it allows.
    """
    kind, facts = _record(line[len(COOKIE) :])
    details = {
        detail: facts[name]
        for name, detail in _DETAILS.items()
        if isinstance(facts.get(name), str)
    }
    if "tty" in details:
        details["tty"] = details["tty"].removeprefix("/dev/")
    if isinstance(facts.get("command"), str):
        details["command"] = _command_line(facts)
    if kind == "accept":
        return Statement(SUDO, details)
    if kind == "exit":
        return None  # of a command whose start was an event
    if kind not in ("reject", "alert"):
        # Bytes in an argument that are no text.
        return Statement(SUDO if allowed else SUDO_FAILED, ambiguous=True)
    text = str(facts.get("reason"))
    reason = reason_of(text)
    if reason is not None:
        return Statement(SUDO_FAILED, {**details, "reason": reason})
    return None if WARNING.match(text) else Statement(SUDO_FAILED, details)


def _record(text: str) -> tuple[str, dict[str, Any]]:
    """Return what kind of record it is, and its facts; an empty kind if it cannot be read."""
    try:
        record = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return "", {}
    if isinstance(record, dict):
        record = record.get("sudo", record)
    if isinstance(record, dict) and len(record) == 1:
        kind, facts = next(iter(record.items()))
        if isinstance(facts, dict):
            return kind, facts
    return "", {}


def _command_line(facts: Mapping[str, Any]) -> str:
    """Return a command with its arguments, quoted as in the other format."""
    words = [facts["command"]]
    arguments = facts.get("runargv")
    for argument in arguments[1:] if isinstance(arguments, list) else ():
        quoted = str(argument).replace("\\", "\\\\").replace("'", "\\'")
        words.append(f"'{quoted}'" if " " in quoted else quoted)
    return " ".join(words)
