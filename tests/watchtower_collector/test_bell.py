import asyncio

import pytest

from watchtower_collector.bell import Bell

NEVER = 3_600


def test_a_ring_wakes_all_who_wait():
    async def run():
        bell = Bell()
        waiting = [asyncio.create_task(bell.wait(bell.rung, NEVER)) for _ in range(3)]
        await asyncio.sleep(0)
        bell.ring()
        await asyncio.gather(*waiting)

    asyncio.run(run())


def test_a_ring_before_the_wait_is_not_missed():
    async def run():
        bell = Bell()
        heard = bell.rung
        bell.ring()
        await bell.wait(heard, NEVER)

    asyncio.run(run())


def test_a_ring_that_was_heard_wakes_nobody_again():
    async def run():
        bell = Bell()
        bell.ring()
        waiting = asyncio.create_task(bell.wait(bell.rung, NEVER))
        for _ in range(3):
            await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(run())


def test_after_the_time_it_returns():
    asyncio.run(Bell().wait(0, 0.001))


def test_a_closed_bell_keeps_nobody():
    async def run():
        bell = Bell()
        waiting = asyncio.create_task(bell.wait(bell.rung, NEVER))
        await asyncio.sleep(0)
        bell.close()
        await waiting
        await bell.wait(bell.rung, NEVER)

    asyncio.run(run())
