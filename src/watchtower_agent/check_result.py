"""What a check of the agent's surroundings found."""

from __future__ import annotations

from typing import NamedTuple

OK = "ok"
WARN = "warn"
FAIL = "FAIL"


class Result(NamedTuple):
    """One check: how it went, what was found, and the fix where there is something to be done."""

    verdict: str
    what: str
    fix: str = ""

    @property
    def failed(self) -> bool:
        """Whether the agent cannot work like this."""
        return self.verdict == FAIL

    def __str__(self) -> str:
        line = f"{self.verdict:<5} {self.what}"
        return f"{line}\n      Fix: {self.fix}" if self.fix else line
