"""What is past its time goes, and nothing else."""

import itertools

import anyio
import pytest
import sqlalchemy as sa

from watchtower_collector import retention as retention_module
from watchtower_collector.reader import Reader
from watchtower_collector.retention import Bounds, Retention
from watchtower_collector.room import QueueFullError
from watchtower_collector.store import StoreUnavailableError
from watchtower_collector.store.audit import note
from watchtower_collector.store.retention import CHUNK, delete_old
from watchtower_collector.store.schema import AUDIT, EVENTS, HOSTS
from watchtower_collector.writer import Writer

DAY = 86_400_000_000
NOW = 20_000 * DAY
FOR_EVER = Bounds(days=None, heartbeat_days=None, bytes=None)


@pytest.fixture
def fill(store):
    """A function that stores events received so many days ago, each with a host of its own."""

    made_up = itertools.count()

    def add(*days, kind="login", age=None, size=0, flood=False):
        rows = []
        for number, day in enumerate(days):
            row = dict.fromkeys(column.name for column in EVENTS.columns)
            row |= {"type": kind, "hostname": f"{kind}-{day}-{number}", "raw_message": "x" * size}
            row |= {"flagged": False, "trusted": True, "ambiguous": False}
            row |= {"received_at": NOW - day * DAY}
            if flood:
                long = "\N{GRINNING FACE}" * 128
                row |= {"hostname": "flood", "method": f"{next(made_up):064}"}
                row |= {"region": long, "host_group": long, "severity": long}
            row["timestamp"] = NOW - (day if age is None else age) * DAY
            rows.append(row)
        return store.append(rows)

    return add


@pytest.fixture
def sweep(store, monkeypatch):
    """A function that sweeps once and returns how many events went."""
    monkeypatch.setattr(retention_module, "now_us", lambda: NOW)

    def run(bounds):
        async def scenario():
            writer = Writer(store, 1_000)
            writer.start()
            try:
                return await Retention(store, Reader(store), writer, bounds).sweep()
            finally:
                await writer.stop()

        return anyio.run(scenario)

    return run


def left(store, table=EVENTS, column="hostname"):
    return store.read(
        lambda c: list(c.execute(sa.select(table.c[column]).order_by(table.c[column])).scalars())
    )


def test_without_bounds_everything_stays(store, fill, sweep):
    fill(0, 10_000)
    fill(9_000, kind="heartbeat")
    assert sweep(FOR_EVER) == 0
    assert len(left(store)) == 3


def test_what_is_older_goes_in_chunks(store, fill, sweep):
    fill(*[30] * (2 * CHUNK + 7), 10, 1, 0)
    assert sweep(Bounds(days=10, heartbeat_days=None, bytes=None)) == 2 * CHUNK + 7
    assert [name.split("-")[1] for name in left(store)] == ["0", "1", "10"]


def test_age_is_since_it_arrived_not_by_a_hosts_clock(store, fill, sweep):
    """After an outage of a month, or from a host that thinks it is 1970."""
    fill(30, age=1)
    fill(1, age=30)
    fill(1, age=19_999)
    fill(1, kind="heartbeat", age=19_999)
    assert sweep(Bounds(days=10, heartbeat_days=7, bytes=None)) == 1
    assert len(left(store)) == 3


def test_heartbeats_go_sooner(store, fill, sweep):
    fill(8, 6, kind="heartbeat")
    fill(8)
    fill(*[9] * (CHUNK + 1), kind="heartbeat")
    assert sweep(Bounds(days=None, heartbeat_days=7, bytes=None)) == CHUNK + 2
    assert left(store) == ["heartbeat-6-1", "login-8-0"]


def test_the_largest_database_loses_its_oldest_events(store, fill, sweep):
    for day in range(20, 0, -1):
        fill(*[day] * 200, size=1_000)
    used = store.read(store.used_bytes)
    assert used > 4_000_000
    most = used // 2
    assert sweep(Bounds(days=None, heartbeat_days=None, bytes=most)) > 0
    assert most * 0.8 < store.read(store.used_bytes) <= most
    days = {int(name.split("-")[1]) for name in left(store)}
    assert min(days) == 1
    assert max(days) < 20
    assert len(days) == max(days), "the newest stay, without a hole"


def test_made_up_labels_take_no_room_of_events(store, fill, sweep):
    """Once the events that had them are deleted, what is known of them is bounded."""
    bounds = Bounds(days=None, heartbeat_days=None, bytes=8_000_000)
    for _ in range(6):
        fill(*[1] * 500, flood=True)
    fill(*[0] * 3_000, size=2_000)
    assert sweep(bounds) >= 3_000
    assert left(store), "what is known of the flood has driven out all others"
    fill(*[0] * 500)
    assert sweep(bounds) == 0


def test_a_bound_that_nothing_can_keep_ends(store, fill, sweep, caplog):
    fill(1, 2, 3)
    assert sweep(Bounds(days=None, heartbeat_days=None, bytes=1)) == 3
    assert "larger than WATCHTOWER_RETENTION_MB" in caplog.text


def test_the_audit_trail_does_not_crowd_out_the_events(store, fill, sweep):
    """What is older goes, whichever it is."""
    entry = dict.fromkeys(("key", "address", "method", "path"), "x")
    entry |= {"query": "x" * 1_000, "status": 200, "at": NOW - 20 * DAY}
    store.write(lambda c: c.execute(sa.insert(AUDIT), [entry] * 4_000))
    fill(*[10] * 100)
    assert sweep(Bounds(days=None, heartbeat_days=None, bytes=2_000_000)) == 0
    assert len(left(store)) == 100
    assert 0 < len(left(store, AUDIT, "id")) < 4_000


def test_an_event_from_when_the_clock_was_wrong_costs_no_audit_trail(store, fill, sweep):
    fill(-4_000)
    fill(*[20] * (2 * CHUNK), size=1_000)
    entry = dict.fromkeys(("key", "address", "method", "path", "query"), "x")
    store.write(lambda c: note(c, {**entry, "at": NOW - 10 * DAY, "status": 200}))
    most = store.read(store.used_bytes) * 2 // 3
    assert sweep(Bounds(days=None, heartbeat_days=None, bytes=most)) == CHUNK
    assert left(store, AUDIT, "path") == ["x"]


def test_an_event_from_when_the_clock_was_wrong_keeps_no_other(store, fill, sweep):
    fill(-4_000)
    fill(30, 30)
    fill(1)
    assert sweep(Bounds(days=10, heartbeat_days=None, bytes=None)) == 3


@pytest.mark.parametrize("behind", [1, 20, 700, 19_999])
def test_a_clock_that_is_behind_deletes_nothing(store, fill, sweep, monkeypatch, behind):
    """It went evenly for an hour, from the day that a dead battery left it at."""
    fill(*[3] * (CHUNK + 100), *[1] * (CHUNK + 100), 0)
    fill(3, kind="heartbeat")
    fill(behind, behind)  # what has come since
    before = left(store)
    monkeypatch.setattr(retention_module, "now_us", lambda: NOW - behind * DAY)
    assert sweep(Bounds(days=10, heartbeat_days=7, bytes=None)) == 0
    assert left(store) == before


def test_once_the_clock_is_right_again_what_is_old_goes(store, fill, sweep, monkeypatch):
    """What came while it was behind looks older than it is, and keeps what came before it."""
    fill(*[30] * 3, *[3] * (CHUNK + 100))
    fill(700)
    fill(0)
    assert sweep(Bounds(days=10, heartbeat_days=None, bytes=None)) == 3
    monkeypatch.setattr(retention_module, "now_us", lambda: NOW + 8 * DAY)
    assert sweep(Bounds(days=10, heartbeat_days=None, bytes=None)) == CHUNK + 101


def test_however_many_events_are_from_the_future_they_go_with_older_ones_behind(
    store, fill, sweep
):
    """A clock was years ahead for days, and right since."""
    fill(*[-4_000] * (3 * CHUNK + 7))
    fill(9, 9)
    fill(1)
    bounds = Bounds(days=10, heartbeat_days=None, bytes=None)
    assert sweep(bounds) == 0, "what came after them is not old yet"
    assert sweep(Bounds(days=8, heartbeat_days=None, bytes=None)) == 3 * CHUNK + 9
    assert [name.split("-")[1] for name in left(store)] == ["1"]


def test_how_far_the_future_reaches_is_found_with_few_looks(store, fill):
    """Whatever there is, and whatever ids are not given: no transaction reads it all."""
    fill(*[-4_000] * (2 * CHUNK))
    store.write(lambda c: c.exec_driver_sql("UPDATE sqlite_sequence SET seq = 1000000000000"))
    fill(*[-4_000] * (2 * CHUNK), *[30] * (2 * CHUNK))
    fill(*[1] * (2 * CHUNK))
    looks = []

    def delete(connection):
        sa.event.listen(connection, "before_cursor_execute", lambda *call: looks.append(call[2]))
        return delete_old(connection, NOW - 10 * DAY, NOW)

    assert store.write(delete) == CHUNK
    assert len(looks) < 60


def test_what_was_deleted_counts_even_if_the_rest_has_to_wait(store, fill):
    fill(*[30] * (2 * CHUNK))
    counted = []

    class Busy:
        async def call(self, work):
            if counted:
                raise QueueFullError
            return store.write(work)

    bounds = Bounds(days=10, heartbeat_days=None, bytes=None)
    retention = Retention(store, Reader(store), Busy(), bounds, counted.append)
    with pytest.raises(QueueFullError):
        anyio.run(retention.sweep)
    assert counted == [CHUNK]


def test_ids_of_deleted_events_never_come_back(store, fill, sweep):
    last = fill(30, 30)[-1].id
    sweep(Bounds(days=10, heartbeat_days=None, bytes=None))
    assert fill(0)[0].id == last + 1


def test_the_audit_trail_and_silent_hosts_go_with_the_events(store, fill, sweep):
    for day in (30, 1):
        entry = dict.fromkeys(("key", "address", "method", "path", "query"), f"{day}")
        store.write(lambda c, e=entry, d=day: note(c, {**e, "at": NOW - d * DAY, "status": 200}))
    fill(30, 1)
    sweep(Bounds(days=10, heartbeat_days=None, bytes=None))
    assert left(store, AUDIT, "path") == ["1"]
    assert left(store, HOSTS) == ["login-1-1"]


def test_agents_are_served_between_the_chunks(store, fill, make_event):
    """However much there is to delete, a commit waits for one chunk at most."""
    fill(*[30] * (6 * CHUNK))

    async def scenario():
        writer = Writer(store, 1_000)
        writer.start()
        bounds = Bounds(days=10, heartbeat_days=None, bytes=None)
        served = []
        async with anyio.create_task_group() as group:

            async def delete():
                await Retention(store, Reader(store), writer, bounds).sweep()
                group.cancel_scope.cancel()

            group.start_soon(delete)
            while True:
                before = await writer.call(
                    lambda c: c.execute(sa.select(sa.func.count()).select_from(EVENTS)).scalar()
                )
                served.append(before)
        await writer.stop()
        return served

    served = anyio.run(scenario)
    assert len(set(served)) >= 5, "somebody was served between any two chunks"


class Clock:
    """A clock that can be believed, or not."""

    def __init__(self, steady):
        self._steady = steady

    def is_steady(self):
        return self._steady


def test_a_clock_that_was_just_set_deletes_nothing(store, fill, monkeypatch):
    """Years ahead, it makes everything old; the bound of size does not depend on it."""
    fill(*[30] * (CHUNK + 1))
    swept = []

    async def scenario(bounds, clock):
        async def rest(_seconds):
            swept.append(len(left(store)))
            raise KeyboardInterrupt

        writer = Writer(store, 1_000)
        writer.start()
        monkeypatch.setattr(retention_module.asyncio, "sleep", rest)
        try:
            retention = Retention(store, Reader(store), writer, bounds)
            retention.clock = clock
            await retention.run()
        finally:
            monkeypatch.undo()
            await writer.stop()

    by_age = Bounds(days=10, heartbeat_days=None, bytes=None)
    with pytest.raises(KeyboardInterrupt):
        anyio.run(scenario, by_age, Clock(steady=False))
    assert left(store)[0] == "login-30-0"
    with pytest.raises(KeyboardInterrupt):
        anyio.run(scenario, by_age, Clock(steady=True))
    assert swept == [CHUNK + 1, 1], "a chunk of them, before it rests"


def test_trouble_does_not_end_it(store, monkeypatch, caplog):
    rounds = []

    class Failing:
        async def call(self, work):
            rounds.append(work)
            if len(rounds) == 2:
                raise KeyError("a defect")
            raise StoreUnavailableError("disk_full", "free some space")

    monkeypatch.setattr(retention_module, "_ROUND_SECONDS", 0.001)
    bounds = Bounds(days=10, heartbeat_days=None, bytes=None)

    async def scenario():
        with anyio.move_on_after(60):
            async with anyio.create_task_group() as group:
                retention = Retention(store, Reader(store), Failing(), bounds)
                retention.clock = Clock(steady=True)
                group.start_soon(retention.run)
                while len(rounds) < 3:
                    await anyio.sleep(0.001)
                group.cancel_scope.cancel()

    anyio.run(scenario)
    assert len(rounds) >= 3
    assert "a defect in the collector" in caplog.text
