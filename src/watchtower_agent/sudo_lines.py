"""What sudo's lines say: lib/eventlog/eventlog.c, new_logline() and do_syslog_sudo().

sudo 1.9.5p2, 1.9.13p3 and 1.9.16p2, as in Debian 11 to 13. A line is ``USER : FIELDS``, or
``USER : REASON ; FIELDS`` when something is wrong. The fields are ``KEY=value`` in a fixed order,
`` ; `` between them, and nothing keeps a value from looking like further fields; whoever calls
sudo chooses the directory, the environment and the command. So every way to read a line is found.

What sudo escapes is left as sudo wrote it: a newline is ``#012`` from 1.9.13 on, and in Debian's
1.9.5p2, but not in 1.9.5p2 as published, and a line does not tell which it is from.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from watchtower_agent.event import RAW_MESSAGE_CHARACTERS, SUDO, SUDO_FAILED
from watchtower_agent.statement import Statement
from watchtower_agent.sudo_reasons import REFUSALS, WARNING, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

# More readings than this say no more than that the line is ambiguous.
_ENOUGH_READINGS = 32

# "%8s : %s"; no account's name has a colon.
_LINE = re.compile(r" {0,7}(?P<user>[^ :\n][^:\n]{0,255}) : (?P<text>.*)", re.DOTALL)
# "%8s : (command continued) %s": the rest of what was longer than syslog_maxlen.
_CONTINUED = "(command continued) "

# In this order. The value of a key that is not named here is the caller's choice.
_KEYS = ("HOST", "TTY", "CHROOT", "PWD", "USER", "GROUP", "TSID", "ENV", "COMMAND")
_KEY = re.compile(f"({'|'.join(_KEYS)})=")
# Without these, a line was cut.
_COMPLETE = ("PWD", "USER", "COMMAND")
_NOT_CHOSEN = ("HOST", "TTY", "USER", "GROUP", "TSID")
_DETAILS = {
    "TTY": "tty",
    "PWD": "directory",
    "USER": "target_user",
    "GROUP": "target_group",
    "COMMAND": "command",
}
# What ends a value: the next field, or the end of a line without a command, which may have been
# cut behind any word. 1.9.13p3 as published writes nothing between ENV and COMMAND.
_SEPARATOR = re.compile(rf" ; (?={_KEY.pattern})| ; ?\Z|(?=COMMAND=)")
# eventlog_exit(), behind the command (log_exit_status). Arguments can look like it.
_EXIT = re.compile(r" ; (?:SIGNAL=[A-Z0-9+-]+ ; )?EXIT=\d+\Z")


def read_sudo_line(line: str, *, allowed: bool) -> Statement | None:
    """Return what a line of sudo's says, or None when it is of no kind that makes an event.

    Args:
        line: the message, without its identifier.
        allowed: whether sudo wrote it at the priority for what it allows. When sudo complains of
            a command's name that is too long, its complaint begins with that name, which may look
            like a command that was run; the priority is what tells the two apart.
    """
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    certain, text = {"user": match["user"]}, match["text"]
    if text.startswith(_CONTINUED):
        # It begins anywhere, so that nothing in it is certain.
        return Statement(SUDO if allowed else SUDO_FAILED, certain, ambiguous=True)
    if _KEY.match(text) is None:
        return _read_complaint(text, certain)
    if not allowed:
        return Statement(SUDO_FAILED, certain, ambiguous=True)
    return _agreed(SUDO, certain, _commands(text))


def _read_complaint(text: str, certain: dict[str, str]) -> Statement | None:
    """Return what a line says that begins with a reason, if sudo refused something for it."""
    has_fields = _KEY.search(text) is not None
    refusal = next((known for known in REFUSALS if known.beginning.match(text)), None)
    if refusal is None:
        if WARNING.match(text) or not has_fields:
            return None
        # An operator's own words for a wrong password (authfail_message), or unknown ones.
        return _agreed(SUDO_FAILED, certain, _refused(text, None), ambiguous=True)
    certain = {**certain, "reason": refusal.reason}
    if refusal.whole.fullmatch(text) and not has_fields:
        return Statement(SUDO_FAILED, certain)  # SLOG_RAW_MSG: the reason and nothing else
    return _agreed(SUDO_FAILED, certain, _refused(text, refusal))


def _agreed(
    event_type: str,
    certain: dict[str, str],
    readings: Iterator[dict[str, str]],
    *,
    ambiguous: bool = False,
) -> Statement:
    """Return what all readings agree on, besides what is certain however a line goes on."""
    found: list[dict[str, str]] = []
    for reading in islice(readings, _ENOUGH_READINGS):
        if reading not in found:
            found.append(reading)
    # If there are more, what they say is not known.
    complete = bool(found) and next(readings, None) is None
    agreed = set.intersection(*(set(known.items()) for known in found)) if complete else ()
    return Statement(
        event_type, {**dict(agreed), **certain}, ambiguous or not complete or len(found) > 1
    )


def _commands(text: str) -> Iterator[dict[str, str]]:
    """Yield each way to read the fields of a command that was run."""
    for details in _Fields(text, _COMPLETE).readings(0):
        yield details
        ending = _EXIT.search(details["command"])
        if ending is not None:
            yield {**details, "command": details["command"][: ending.start()]}


def _refused(text: str, refusal: Refusal | None) -> Iterator[dict[str, str]]:
    """Yield each way to read the fields behind a reason."""
    strange_target = refusal is not None and refusal.strange_target
    required = ("PWD",) if strange_target else _COMPLETE
    fields = _Fields(text, required, strange_target=strange_target)
    for separator in _SEPARATOR.finditer(text):
        reason = refusal and refusal.whole.fullmatch(text, 0, separator.start())
        if refusal is not None and reason is None:
            continue
        for details in fields.readings(separator.end()):
            if not reason or not strange_target or reason["target"] in _targets(details):
                yield details


def _targets(details: dict[str, str]) -> tuple[str | None, str | None]:
    return details.get("target_user"), details.get("target_group")


class _Fields:
    """The ways to read a text, from some place on, as fields.

    What is required stands in every line that is not cut. A line can be cut in a place that the
    caller chose, so what is left of it is not read.
    """

    def __init__(
        self, text: str, required: tuple[str, ...], *, strange_target: bool = False
    ) -> None:
        # Beyond any line of sudo's, unless syslog_maxlen is set so; raw_message ends there, too.
        self._text = text if len(text) <= RAW_MESSAGE_CHARACTERS else ""
        self._required = [_KEYS.index(key) for key in required]
        self._not_chosen = _NOT_CHOSEN[:2] if strange_target else _NOT_CHOSEN
        # Where nothing can be read, so that each is tried once.
        self._dead: set[tuple[int, int]] = set()

    def readings(self, start: int, first: int = 0) -> Iterator[dict[str, str]]:
        """Yield details, reading from a place where the first key, or a later one, must stand."""
        key = _KEY.match(self._text, start)
        if key is None or (start, first) in self._dead:
            return
        index = _KEYS.index(key[1])
        if index < first or self._skips(first, index):
            return
        alive = False
        for value, rest in self._values(key, index):
            alive = True
            yield {_DETAILS[key[1]]: value, **rest} if key[1] in _DETAILS else rest
        if not alive:
            self._dead.add((start, first))

    def _values(self, key: re.Match[str], index: int) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield each value that a key can have, with the details behind it."""
        text, name, start = self._text, key[1], key.end()
        if name == "COMMAND":
            yield text[start:], {}
            return
        for separator in _SEPARATOR.finditer(text, start):
            if not separator[0] and name != "ENV":
                continue
            value = text[start : separator.start()]
            if separator.end() == len(text):
                if not self._skips(index + 1, len(_KEYS)):
                    yield value, {}
            else:
                for rest in self.readings(separator.end(), index + 1):
                    yield value, rest
            if name in self._not_chosen:
                return

    def _skips(self, first: int, last: int) -> bool:
        """Return whether a required key would be missing between two keys."""
        return any(first <= index < last for index in self._required)
