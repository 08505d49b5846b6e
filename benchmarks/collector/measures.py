"""What a process uses: processor time and memory, from /proc."""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TICK = os.sysconf("SC_CLK_TCK")
_INTERVAL = 0.25


@dataclass(frozen=True)
class Process:
    """A process that runs."""

    pid: int

    def cpu_seconds(self) -> float:
        """Return its processor time until now, user and system, in hundredths of a second."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def memory(self) -> tuple[int, int]:
        """Return resident and proportional set size in KiB."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        found = {line.split()[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
        return found["Rss:"], found["Pss:"]


class Watched:
    """The largest memory that was seen of a process, in MB (1,000,000 bytes)."""

    def __init__(self) -> None:
        self.rss = self.pss = 0.0

    def look(self, process: Process) -> None:
        rss, pss = (kib * 1_024 / 1_000_000 for kib in process.memory())
        self.rss, self.pss = max(self.rss, rss), max(self.pss, pss)


@contextlib.contextmanager
def watched(process: Process) -> Iterator[Watched]:
    """Look at the memory of a process all the time of the block."""
    found, over = Watched(), threading.Event()

    def look() -> None:
        while not over.wait(_INTERVAL):
            found.look(process)

    looker = threading.Thread(target=look)
    looker.start()
    try:
        yield found
    finally:
        over.set()
        looker.join()
        found.look(process)
