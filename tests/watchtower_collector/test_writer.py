"""Group commit, with a store whose commits last until the test lets them go."""

import asyncio
import threading

import anyio
import pytest

from watchtower_collector import writer as writer_module
from watchtower_collector.room import QueueFullError, TooMuchAtOnceError
from watchtower_collector.store import Stored, StoreUnavailableError
from watchtower_collector.writer import Writer

DEADLINE = 60


class HeldStore:
    """Counts events; each commit waits for the test's leave."""

    def __init__(self):
        self.commits = []
        self.probes = self.tidied = 0
        self.failure = None
        self.entered = threading.Semaphore(0)
        self.leave = threading.Semaphore(0)

    def append(self, rows):
        self.entered.release()
        assert self.leave.acquire(timeout=DEADLINE)
        if self.failure is not None:
            raise self.failure
        self.commits.append(list(rows))
        return [Stored(row["n"]) for row in rows]

    def write(self, work):
        if self.failure is not None:
            raise self.failure
        return work(self.commits)

    def tidy(self):
        self.tidied += 1

    def probe(self):
        self.probes += 1
        if self.failure is not None:
            raise self.failure


def rows(*numbers):
    return [{"n": number} for number in numbers]


async def until(condition):
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.005)


def run(scenario, store, capacity=1_000):
    async def main():
        writer = Writer(store, capacity)
        writer.start()
        try:
            async with asyncio.timeout(DEADLINE):
                await scenario(writer)
        finally:
            for _ in range(1_000):
                store.leave.release()
            await writer.stop()

    anyio.run(main)


def in_commit(store):
    return asyncio.to_thread(store.entered.acquire, timeout=DEADLINE)


def test_what_gathers_during_a_commit_goes_into_the_next_together():
    store = HeldStore()

    async def scenario(writer):
        first = asyncio.create_task(writer.append(rows(0)))
        await in_commit(store)
        others = [asyncio.create_task(writer.append(rows(n, -n))) for n in range(1, 64)]
        await asyncio.sleep(0)
        store.leave.release(2)
        assert await first == [Stored(0)]
        assert [await other for other in others] == [[Stored(n), Stored(-n)] for n in range(1, 64)]
        assert [len(commit) for commit in store.commits] == [1, 126]

    run(scenario, store)


def test_nothing_is_answered_before_its_commit():
    store = HeldStore()

    async def scenario(writer):
        answer = asyncio.create_task(writer.append(rows(1)))
        await in_commit(store)
        assert not answer.done()
        store.leave.release()
        await answer

    run(scenario, store)


def test_a_commit_is_bounded(monkeypatch):
    monkeypatch.setattr(writer_module, "MAX_EVENTS_PER_COMMIT", 10)
    store = HeldStore()

    async def scenario(writer):
        first = asyncio.create_task(writer.append(rows(0)))
        await in_commit(store)
        others = [asyncio.create_task(writer.append(rows(*range(4)))) for _ in range(6)]
        await asyncio.sleep(0)
        store.leave.release(10)
        await asyncio.gather(first, *others)
        assert [len(commit) for commit in store.commits] == [1, 12, 12]

    run(scenario, store)


def test_a_full_queue_takes_nothing_more_until_something_is_committed():
    store = HeldStore()

    async def scenario(writer):
        first = asyncio.create_task(writer.append(rows(1, 2, 3)))
        await in_commit(store)
        second = asyncio.create_task(writer.append(rows(4, 5, 6)))
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError):
            await writer.append(rows(7, 8, 9, 10, 11))
        store.leave.release(2)
        await asyncio.gather(first, second)
        store.leave.release()
        assert len(await writer.append(rows(7, 8, 9, 10, 11))) == 5

    run(scenario, store, capacity=10)


def test_a_store_in_trouble_fails_the_requests_and_shows_and_recovers_by_itself(monkeypatch):
    monkeypatch.setattr(writer_module, "_TURN_SECONDS", 0.01)
    monkeypatch.setattr(writer_module, "_PROBE_ILL_SECONDS", 0.01)
    store = HeldStore()

    async def scenario(writer):
        store.failure = StoreUnavailableError("disk_full", "no space")
        store.leave.release()
        with pytest.raises(StoreUnavailableError, match="no space"):
            await writer.append(rows(1))
        assert writer.trouble == "disk_full"
        await until(lambda: store.probes > 2)
        assert writer.trouble == "disk_full"
        store.failure = None
        await until(lambda: writer.trouble is None)

    run(scenario, store)


def test_an_idle_writer_finds_trouble_by_itself(monkeypatch):
    monkeypatch.setattr(writer_module, "_TURN_SECONDS", 0.01)
    monkeypatch.setattr(writer_module, "_PROBE_WELL_SECONDS", 0.01)
    store = HeldStore()

    async def scenario(writer):
        assert writer.trouble is None
        store.failure = StoreUnavailableError("read_only", "remounted")
        await until(lambda: writer.trouble == "read_only")

    run(scenario, store)


def test_a_defect_does_not_end_the_thread(caplog):
    store = HeldStore()

    async def scenario(writer):
        store.failure = RuntimeError("a defect")
        store.leave.release()
        with pytest.raises(StoreUnavailableError):
            await writer.append(rows(1))
        assert writer.trouble == "internal_error"
        store.failure = None
        store.leave.release()
        assert await writer.append(rows(2)) == [Stored(2)]
        assert writer.trouble is None

    run(scenario, store)
    assert "a defect in the collector" in caplog.text


def test_a_defect_in_a_probe_does_not_end_the_thread(monkeypatch):
    monkeypatch.setattr(writer_module, "_TURN_SECONDS", 0.01)
    monkeypatch.setattr(writer_module, "_PROBE_WELL_SECONDS", 0.01)
    store = HeldStore()

    async def scenario(writer):
        store.failure = RuntimeError("a defect")
        await until(lambda: writer.trouble == "internal_error")
        assert writer.alive

    run(scenario, store)


def test_a_writer_that_does_not_come_round_is_stalled(monkeypatch):
    monkeypatch.setattr(writer_module, "STALL_SECONDS", 0.05)
    store = HeldStore()

    async def scenario(writer):
        answer = asyncio.create_task(writer.append(rows(1)))
        await in_commit(store)
        await until(lambda: writer.trouble == "stalled")
        store.leave.release()
        await answer

    run(scenario, store)


def test_stopping_commits_what_waits_and_takes_nothing_more():
    store = HeldStore()

    async def main():
        writer = Writer(store, 1_000)
        writer.start()
        first = asyncio.create_task(writer.append(rows(1)))
        await in_commit(store)
        second = asyncio.create_task(writer.append(rows(2)))
        await asyncio.sleep(0)
        stopping = asyncio.create_task(writer.stop())
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailableError, match="stopping"):
            await writer.append(rows(3))
        store.leave.release(2)
        await stopping
        assert await first == [Stored(1)]
        assert await second == [Stored(2)]

    anyio.run(main)


def test_a_request_that_was_cancelled_is_committed_and_forgotten():
    store = HeldStore()

    async def scenario(writer):
        first = asyncio.create_task(writer.append(rows(1)))
        await in_commit(store)
        lost = asyncio.create_task(writer.append(rows(2)))
        beside = asyncio.create_task(writer.append(rows(3)))
        await asyncio.sleep(0)
        lost.cancel()
        with pytest.raises(asyncio.CancelledError):
            await lost
        with pytest.raises(QueueFullError):
            await writer.append(rows(*range(8)))
        store.leave.release(2)
        assert await first == [Stored(1)]
        assert await beside == [Stored(3)], "in the same commit, and not concerned"
        assert [len(commit) for commit in store.commits] == [1, 2]
        store.leave.release()
        assert len(await writer.append(rows(*range(10)))) == 10, "its place was given back"

    run(scenario, store, capacity=10)


def test_a_call_is_done_after_what_waits_and_before_what_comes_later():
    store = HeldStore()

    async def scenario(writer):
        before = asyncio.create_task(writer.append(rows(0)))
        await in_commit(store)
        waiting = asyncio.create_task(writer.append(rows(1)))
        await asyncio.sleep(0)
        call = asyncio.create_task(writer.call(len))
        await asyncio.sleep(0)
        after = asyncio.create_task(writer.append(rows(2)))
        await asyncio.sleep(0)
        store.leave.release(3)
        assert await call == 2
        assert await asyncio.gather(before, waiting, after) == [
            [Stored(0)],
            [Stored(1)],
            [Stored(2)],
        ]
        assert len(store.commits) == 3

    run(scenario, store)


def test_what_a_call_raises_is_its_callers_and_no_trouble_of_the_store():
    store = HeldStore()

    def fail(commits):
        raise LookupError("no such token")

    async def scenario(writer):
        with pytest.raises(LookupError, match="no such token"):
            await writer.call(fail)
        assert writer.trouble is None
        store.failure = StoreUnavailableError("disk_full", "free some space")
        with pytest.raises(StoreUnavailableError):
            await writer.call(len)
        assert writer.trouble == "disk_full"

    run(scenario, store)


def test_calls_have_room_of_their_own(monkeypatch):
    """However many events wait, an admin can revoke the token of whoever sends them."""
    monkeypatch.setattr(writer_module, "MAX_CALLS", 2)
    store = HeldStore()

    async def scenario(writer):
        appending = asyncio.create_task(writer.append(rows(*range(10))))
        await in_commit(store)
        with pytest.raises(QueueFullError):
            await writer.append(rows(10))
        calling = [asyncio.create_task(writer.call(len)) for _ in range(2)]
        await asyncio.sleep(0)
        assert writer.held == 10
        with pytest.raises(QueueFullError):
            await writer.call(len)
        store.leave.release()
        assert len(await appending) == 10
        assert await asyncio.gather(*calling) == [1, 1]
        assert await writer.call(len) == 1, "they are given back"

    run(scenario, store, capacity=10)


def test_one_sender_holds_half_of_the_room_at_the_most():
    store = HeldStore()

    async def scenario(writer):
        waiting = [asyncio.create_task(writer.append(rows(*range(4)), "bad"))]
        await in_commit(store)
        with pytest.raises(TooMuchAtOnceError):
            await writer.append(rows(4, 5), "bad")
        for number, sender in enumerate(("bad", "good", None, None, None, None)):
            waiting.append(asyncio.create_task(writer.append(rows(number), sender)))
            await asyncio.sleep(0)
        with pytest.raises(TooMuchAtOnceError):
            await writer.append(rows(6), "bad")
        with pytest.raises(QueueFullError):
            await writer.append(rows(6), "good")
        assert writer.held == 10
        store.leave.release(2)
        await asyncio.gather(*waiting)
        assert writer.held == 0
        store.leave.release()
        assert len(await writer.append(rows(*range(9)), "bad")) == 9, "alone it may have more"

    run(scenario, store, capacity=10)


def test_a_call_that_waits_at_the_end_is_done():
    store = HeldStore()

    async def scenario(writer):
        appending = asyncio.create_task(writer.append(rows(0)))
        await in_commit(store)
        calling = asyncio.create_task(writer.call(len))
        await asyncio.sleep(0)
        stopping = asyncio.create_task(writer.stop())
        await asyncio.sleep(0)
        store.leave.release()
        await stopping
        assert await appending == [Stored(0)]
        assert await calling == 1

    run(scenario, store)


def test_only_what_was_written_shows_that_the_store_can_write(monkeypatch):
    """A call may write nothing, and tidying up may have nothing to do."""
    store = HeldStore()
    monkeypatch.setattr(writer_module, "_TURN_SECONDS", 0.01)
    monkeypatch.setattr(writer_module, "_TIDY_SECONDS", 0.01)
    monkeypatch.setattr(writer_module, "_PROBE_ILL_SECONDS", DEADLINE)

    async def scenario(writer):
        store.failure = StoreUnavailableError("disk_full", "free some space")
        with pytest.raises(StoreUnavailableError):
            await writer.call(len)
        store.failure = None
        tidied = store.tidied
        assert await writer.call(len) == 0
        await until(lambda: store.tidied > tidied + 2)
        assert writer.trouble == "disk_full"
        store.leave.release()
        await writer.append(rows(1))
        assert writer.trouble is None

    run(scenario, store)


def test_tidying_up_that_fails_is_said_and_is_no_trouble(monkeypatch, caplog):
    store = HeldStore()
    monkeypatch.setattr(writer_module, "_TURN_SECONDS", 0.01)
    monkeypatch.setattr(writer_module, "_TIDY_SECONDS", 0.01)
    errors = iter([StoreUnavailableError("locked", "somebody else"), KeyError("a defect")])

    def tidy():
        store.tidied += 1
        raise next(errors, RuntimeError("again"))

    store.tidy = tidy

    async def scenario(writer):
        await until(lambda: store.tidied > 2)
        assert writer.trouble is None
        store.leave.release()
        assert await writer.append(rows(1)) == [Stored(1)]

    run(scenario, store)
    assert "somebody else" in caplog.text
    assert "a defect in the collector" in caplog.text
