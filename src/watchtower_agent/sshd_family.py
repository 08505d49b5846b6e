"""Lines of sshd's that begin alike, and how one of them is told from the others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from watchtower_agent.line_format import ENOUGH_READINGS, LineFormat
from watchtower_agent.statement import Statement


class Speaker(Enum):
    """Which of sshd's processes says a line.

    monitor.c, monitor_child_handler(): what the process without privileges says is marked.
    """

    MONITOR = "the process with root's rights, or the listener"
    CHILD = "the process without privileges"
    EITHER = "both"


@dataclass(frozen=True)
class SshdFamily:
    """Lines that begin alike and differ at the end, so that one may be taken for another.

    Attributes:
        type: the event's type.
        beginning: what no client can have written; named groups are facts.
        formats: how such a line can go on.
        speaker: who says it.
        level: log.c, do_log(): the word for the level that goes before, if it has one.
        always: whether a line that begins so is of this type even if it reads in no way at all.
            Set where hiding one would be worse than an event that says little.
        listener: whether it is said by the process that has all connections, not one.
        before_login: whether the same words after a login, from the session's own process, say
            something else.
    """

    type: str
    beginning: re.Pattern[str]
    formats: tuple[LineFormat, ...]
    speaker: Speaker = Speaker.MONITOR
    level: str = ""
    always: bool = False
    listener: bool = False
    before_login: bool = False

    @property
    def first_words(self) -> set[str]:
        """Return the words that such lines begin with; "" when a slot is in the first word."""
        firsts = {known.template.partition(" ")[0] for known in self.formats}
        return {"" if "{" in word else word for word in firsts}

    def read(self, line: str, *, from_child: bool, cut: bool) -> Statement | None:
        """Return what a line of this level says, or None if it is not of these.

        The line comes without its level and its mark; ``cut`` says whether it may lack its end.
        """
        match = self.beginning.match(line)
        if match is None:
            return None
        certain = match.groupdict()
        credible = not (from_child and self.speaker is Speaker.MONITOR)
        if cut:
            # Without its end, nothing says where the client's own text stopped, and a mark that
            # stood there is lost, too.
            return self._statement(
                {**self._common_reason(), **certain}, ambiguous=True, credible=credible
            )
        if not from_child and self.speaker is Speaker.CHILD:
            return None
        # The child escapes what it says before the monitor does so with all that it writes.
        escapes = 2 if from_child else 1
        found = [known.readings(line, escapes) for known in self.formats]
        readings = [reading for of_one_format in found for reading in of_one_format]
        if not readings and not self.always:
            return None
        if not readings or any(len(of_one) == ENOUGH_READINGS for of_one in found):
            # What was not looked at may be what sshd meant.
            return self._statement(certain, ambiguous=True, credible=credible)
        agreed = readings[0]
        if len(readings) > 1:
            agreed = dict(set.intersection(*(set(reading.items()) for reading in readings)))
        return self._statement(
            {**agreed, **certain}, ambiguous=len(readings) > 1, credible=credible
        )

    def _common_reason(self) -> dict[str, str]:
        reasons = {known.reason for known in self.formats}
        reason = reasons.pop() if len(reasons) == 1 else None
        return {} if reason is None else {"reason": reason}

    def _statement(self, facts: dict[str, str], *, ambiguous: bool, credible: bool) -> Statement:
        process = facts.pop("session_pid", "" if self.listener else None)
        return Statement(self.type, facts, ambiguous, credible, process, self.before_login)


def family(  # noqa: PLR0913  # a row of a table, each word with its name
    event_type: str,
    *templates: str,
    reason: str | None = None,
    speaker: Speaker = Speaker.MONITOR,
    level: str = "",
    listener: bool = False,
    before_login: bool = False,
) -> SshdFamily:
    """Return a family of lines that have one beginning: the fixed text before the first slot."""
    beginnings = {template.partition("{")[0] for template in templates}
    beginning = "|".join(re.escape(text) for text in sorted(beginnings))
    formats = tuple(LineFormat(template, reason) for template in templates)
    return SshdFamily(
        event_type,
        re.compile(beginning),
        formats,
        speaker,
        level,
        listener=listener,
        before_login=before_login,
    )
