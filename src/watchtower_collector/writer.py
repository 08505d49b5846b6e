"""Group commit: one thread writes; what gathers while it commits goes into its next commit."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from watchtower_collector.bell import Bell
from watchtower_collector.logs import Throttle
from watchtower_collector.room import QueueFullError, Room
from watchtower_collector.store import Refused, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import sqlalchemy as sa

    from watchtower_collector.room import Sender
    from watchtower_collector.store import EventStore, Outcome, Row, T

# One transaction's size: past a few thousand events fsync is already shared by enough of them.
MAX_EVENTS_PER_COMMIT = 4_000
_TURN_SECONDS = 1.0
# How long without a commit until the writer tries one for its own sake.
_PROBE_WELL_SECONDS = 30.0
_PROBE_ILL_SECONDS = 1.0
STALL_SECONDS = 30.0
_TIDY_SECONDS = 60.0
_FULL_LINE_SECONDS = 10.0
# Of admins and of the collector itself; they have room of their own, or whoever sends events
# without end could not be stopped: revoking a token is a call.
MAX_CALLS = 1_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Submission:
    rows: Sequence[Row]
    sender: Sender
    answer: asyncio.Future[list[Outcome]]


@dataclass(frozen=True, slots=True)
class _Call:
    """Something else to write, in a transaction of its own."""

    work: Callable[[sa.Connection], Any]
    answer: asyncio.Future[Any]


class _Then(Enum):
    """What the writer does after a batch, other than a call."""

    GO_ON = auto()
    END = auto()


class Writer:
    """Owns the store's writing side. Its methods are called from one event loop."""

    def __init__(self, store: EventStore, capacity: int) -> None:
        """Write to ``store``; at most ``capacity`` events wait or are being committed.

        Half of them may be one host's: it cannot keep the others out.
        """
        self.bell = Bell()
        # Told the seconds that a commit of events took, in the writer's thread.
        self.on_commit: Callable[[float], None] = lambda _seconds: None
        self._store = store
        self._submissions: queue.SimpleQueue[_Submission | _Call | None] = queue.SimpleQueue()
        # What waits or is being committed; touched by the event loop only.
        self._room = Room(capacity, capacity // 2)
        self._calls = 0
        self._full = Throttle(_FULL_LINE_SECONDS)
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turned_at = self._tried_at = time.monotonic()
        self._tidied_at = time.monotonic()
        self._failure: StoreUnavailableError | None = None
        self._failing_since = 0.0

    def start(self) -> None:
        """Start the thread. The event loop must be running."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Take nothing more, commit what waits, end the thread."""
        self._stopping = True
        self.bell.close()
        self._submissions.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    async def append(self, rows: Sequence[Row], sender: Sender = None) -> list[Outcome]:
        """Return the outcomes of ``rows`` once they are committed and on disk.

        Raises:
            QueueFullError: too much is waiting; nothing was taken.
            TooMuchAtOnceError: too much of this sender is waiting; nothing was taken.
            StoreUnavailableError: none of them is stored.
        """
        loop = self._check_running()
        try:
            self._room.take(len(rows), sender)
        except QueueFullError:
            self._report_full()
            raise
        submission = _Submission(rows, sender, loop.create_future())
        self._submissions.put(submission)
        return await submission.answer

    async def call(self, work: Callable[[sa.Connection], T]) -> T:
        """Return what ``work`` returns, written in a transaction of its own, after what waits.

        An exception of ``work`` undoes what it wrote, and is passed on.

        Raises:
            QueueFullError: too many calls are waiting; nothing was done.
            StoreUnavailableError: nothing of it is stored.
        """
        loop = self._check_running()
        if self._calls >= MAX_CALLS:
            raise QueueFullError
        self._calls += 1
        call = _Call(work, loop.create_future())
        self._submissions.put(call)
        result: T = await call.answer
        return result

    def _check_running(self) -> asyncio.AbstractEventLoop:
        if self._stopping or self._loop is None:
            raise StoreUnavailableError("stopping", "the collector is stopping")
        return self._loop

    def _report_full(self) -> None:
        refused = self._full.admit()
        if refused is not None:
            _log.warning(
                "%d events wait to be written; sending agents away for a moment (%d times more "
                "since the last such line)",
                self.held,
                refused,
            )

    @property
    def held(self) -> int:
        """How many events wait, or are being committed."""
        return self._room.held

    @property
    def alive(self) -> bool:
        """Whether the thread went through its loop lately."""
        running = self._thread is not None and self._thread.is_alive()
        return running and time.monotonic() - self._turned_at < STALL_SECONDS

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written now, as one word; ``None`` when all is well."""
        if not self.alive:
            return "stalled"
        failure = self._failure
        return None if failure is None else failure.reason

    # From here on: the writer's thread.

    def _run(self) -> None:
        while True:
            self._turned_at = time.monotonic()
            batch, then = self._gather()
            if batch:
                self._commit(batch)
            if isinstance(then, _Call):
                self._perform(then)
            elif then is _Then.END:
                return
            elif not batch and self._probe_due():
                self._try(self._store.probe)
            if time.monotonic() - self._tidied_at >= _TIDY_SECONDS:
                self._tidied_at = time.monotonic()
                self._tidy()

    def _tidy(self) -> None:
        # Nobody waits for it, and whether the store can write is shown by commits.
        try:
            self._store.tidy()
        except StoreUnavailableError as error:
            _log.warning("the database is not tidied up this time: %s", error)
        except Exception:  # noqa: BLE001  # the thread must outlive any defect
            _log.exception("a defect in the collector; the database is not tidied up")

    def _gather(self) -> tuple[list[_Submission], _Call | _Then]:
        """Wait for a submission, take what else is there, and say what comes after them."""
        batch: list[_Submission] = []
        events = 0
        try:
            submission = self._submissions.get(timeout=_TURN_SECONDS)
            while isinstance(submission, _Submission):
                batch.append(submission)
                events += len(submission.rows)
                if events >= MAX_EVENTS_PER_COMMIT:
                    return batch, _Then.GO_ON
                submission = self._submissions.get_nowait()
        except queue.Empty:
            return batch, _Then.GO_ON
        return batch, _Then.END if submission is None else submission

    def _commit(self, batch: list[_Submission]) -> None:
        rows = [row for submission in batch for row in submission.rows]
        outcomes: list[Outcome] = []
        began = time.monotonic()
        failure = self._try(lambda: outcomes.extend(self._store.append(rows)))
        if failure is None:
            self.on_commit(time.monotonic() - began)
        refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
        if refused:
            # They passed every check, so this is a defect; their agents put them aside.
            _log.error("%d events refused, the first: %s", len(refused), refused[0].message)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._answer, batch, outcomes, failure)

    def _perform(self, call: _Call) -> None:
        result: Any = None
        failure: Exception | None = None
        try:
            result = self._store.write(call.work)
        except StoreUnavailableError as error:
            failure = error
            self._note(error)
        except Exception as error:  # noqa: BLE001  # it belongs to whoever asked for the work
            failure = error
        # That it went well does not show that the store can write: it may have written nothing.
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._answer_call, call, result, failure)

    def _probe_due(self) -> bool:
        pause = _PROBE_WELL_SECONDS if self._failure is None else _PROBE_ILL_SECONDS
        return time.monotonic() - self._tried_at >= pause

    def _try(self, write: Callable[[], None]) -> StoreUnavailableError | None:
        """Do it, note how it went, and return what went wrong."""
        failure: StoreUnavailableError | None = None
        try:
            write()
        except StoreUnavailableError as error:
            failure = error
        except Exception as error:  # noqa: BLE001  # the thread must outlive any defect
            _log.exception("a defect in the collector; what was to be written is not stored")
            failure = StoreUnavailableError("internal_error", type(error).__name__)
        self._note(failure)
        return failure

    def _note(self, failure: StoreUnavailableError | None) -> None:
        now = self._tried_at = time.monotonic()
        if failure is None and self._failure is not None:
            _log.warning("writing again, after %.0f s", now - self._failing_since)
        elif failure is not None and self._failure is None:
            self._failing_since = now
            _log.error("cannot write: %s; agents keep their events and try again", failure)
        self._failure = failure

    # The event loop again.

    def _answer(
        self,
        batch: list[_Submission],
        outcomes: list[Outcome],
        failure: StoreUnavailableError | None,
    ) -> None:
        if failure is None:
            self.bell.ring()
        start = 0
        for submission in batch:
            end = start + len(submission.rows)
            self._room.give_back(len(submission.rows), submission.sender)
            if submission.answer.done():
                pass  # its request was cancelled
            elif failure is not None:
                submission.answer.set_exception(failure)
            else:
                submission.answer.set_result(outcomes[start:end])
            start = end

    def _answer_call(self, call: _Call, result: Any, failure: Exception | None) -> None:  # noqa: ANN401  # whatever the work returns
        self._calls -= 1
        if call.answer.done():
            return  # its request was cancelled
        if failure is not None:
            call.answer.set_exception(failure)
        else:
            call.answer.set_result(result)
