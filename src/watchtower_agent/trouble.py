"""Something that does not work now, such as reading the journal or reaching the collector."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Trouble:
    """What it is and since when. One thread begins and ends it; others may look at it.

    Attributes:
        text: a sentence, or empty while all is well.
        since: when it began, in seconds since 1970; it stays when only the reason changes.
        changed: called at each piece of news.
    """

    def __init__(self) -> None:
        self.text = ""
        self.since: float | None = None
        self.changed: Callable[[], None] = _nobody

    def begin(self, text: str) -> bool:
        """Note a failure; return whether it is news, so that it is said once."""
        if text == self.text:
            return False
        if self.since is None:
            self.since = time.time()
        self.text = text
        self.changed()
        return True

    def end(self) -> bool:
        """Note that it works; return whether that is news."""
        if not self.text:
            return False
        self.text = ""
        self.since = None
        self.changed()
        return True


def _nobody() -> None:
    """Stand for nobody who wants to know."""
