"""Runs journalctl as a child process and reads its lines."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from typing import TYPE_CHECKING

from watchtower_agent import complaints

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from watchtower_agent.wakeup import Wakeup

PROGRAM = "journalctl"
# A journal can be damaged so that journalctl loops without a word (systemd#36247).
SILENCE_SECONDS = 120.0
# What lines are read for is short; a client may write megabytes.
LINE_BYTES = 1024 * 1024
_READ_BYTES = 64 * 1024
# One that complains and complains is in a loop (beats#23627: "Bad message", 30 GB a day).
_COMPLAINT_BYTES = 256 * 1024 * 1024
_SHOWN_CHARACTERS = 200


class JournalError(Exception):
    """journalctl failed. The text holds what it said, and what to do where that is known."""


class JournalctlExitError(JournalError):
    """It ended by itself, with an error: what it was asked for, or the journal, is at fault."""


class StoppedError(Exception):
    """The wait was cut short because the agent is to stop."""


class Journalctl:
    """One running journalctl.

    Both of its outputs are always read, so that it never blocks on a full pipe.

    Attributes:
        complaints: what it said on standard error.
    """

    def __init__(self, arguments: Sequence[str], stop: Wakeup) -> None:
        """Start journalctl.

        Raises:
            JournalError: it cannot be started.
        """
        self._stop = stop
        self.complaints = complaints.Complaints()
        try:
            self._process = subprocess.Popen(
                [PROGRAM, "--no-pager", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_child_environment(),
            )
        except OSError as error:
            raise JournalError(f"journalctl cannot be started: {error}") from error
        self._selector = selectors.DefaultSelector()
        self._selector.register(stop, selectors.EVENT_READ, "stop")
        self._open_pipes = 2
        for name, pipe in (("out", self._process.stdout), ("err", self._process.stderr)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._selector.register(pipe, selectors.EVENT_READ, name)

    def __enter__(self) -> Journalctl:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def output(self) -> Iterator[bytes]:
        """Yield standard output piece by piece, until journalctl ends.

        Raises:
            JournalError: it ended with an error, said nothing for SILENCE_SECONDS, or complains
                without end.
            StoppedError: the agent is to stop.
        """
        while True:
            chunk = self.read(SILENCE_SECONDS)
            if chunk is None:
                raise JournalError(
                    f"journalctl said nothing for {SILENCE_SECONDS:.0f} seconds and was stopped; "
                    "'journalctl --verify' tells which journal file is damaged"
                )
            if not chunk:
                break
            yield chunk
        status = self._process.wait()
        if status:
            # Killed, for want of memory for example, it has failed without being at fault.
            kind = JournalctlExitError if status > 0 else JournalError
            raise kind(_explain(self.complaints.text(), status))

    def lines(self) -> Iterator[bytes]:
        """Yield each line of standard output, of an overlong one its end.

        Raises:
            JournalError, StoppedError: as in ``output``.
        """
        rest = b""
        for chunk in self.output():
            *complete, rest = (rest + chunk).split(b"\n")
            yield from complete
            rest = rest[-LINE_BYTES:]

    def read(self, seconds: float) -> bytes | None:
        """Return the next output: b"" when there will be none, None when the time is over.

        Raises:
            JournalError: it complains without end.
            StoppedError: the agent is to stop.
        """
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            ready = self._selector.select(max(left, 0))
            if not ready:
                return None
            for key, _ in ready:
                if key.data == "stop":
                    raise StoppedError
            for key, _ in ready:
                chunk = os.read(key.fd, _READ_BYTES)
                if not chunk:
                    self._selector.unregister(key.fileobj)
                    self._open_pipes -= 1
                elif key.data == "err":
                    self.complaints.add(chunk)
                    if self.complaints.bytes > _COMPLAINT_BYTES:
                        raise JournalError(
                            "journalctl complained without end and was stopped: "
                            f"{self.complaints.text()[-_SHOWN_CHARACTERS:]}"
                        )
                    if left <= 0:
                        return None
                else:
                    self.complaints.bytes = 0
                    return chunk
            if not self._open_pipes:
                return b""

    def close(self) -> None:
        """Stop journalctl if it still runs, and give everything back."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        self._selector.close()
        stderr = self._process.stderr
        if stderr is not None and not stderr.closed:
            # What it complained of last: no more than this fits into the pipe.
            with contextlib.suppress(BlockingIOError):
                self.complaints.add(os.read(stderr.fileno(), _READ_BYTES))
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


def _child_environment() -> dict[str, str]:
    """Return what journalctl needs and no more; the agent's token, above all, is not in it."""
    kept = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
    plain = {"LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "TZ": "UTC"}
    return {**kept, **plain, **complaints.ENVIRONMENT}


def _explain(said: str, status: int) -> str:
    # Whoever passes it on puts a full stop behind it.
    reason = f"journalctl ended with status {status}: {said.rstrip('.') or 'it gave no reason'}"
    if "ermission" in said:
        reason += (
            ". The agent's user must be in the group systemd-journal "
            "(SupplementaryGroups=systemd-journal in the unit)"
        )
    return reason
