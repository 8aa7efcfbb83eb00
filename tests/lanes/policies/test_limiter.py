from __future__ import annotations

import asyncio
import threading

import pytest

from agentlanes.lanes.policies.limiter import Limiter


def test_doubles_a_round_until_the_endpoint_objects() -> None:
    limiter, limits = Limiter(start=16, most=128), list[int]()
    for _ in range(5):
        taken = sum(limiter.take() for _ in range(1000))
        for _ in range(taken):
            limiter.give_back(1.0, since=0.5)
        limits.append(limiter.limit)
    assert limits == [32, 64, 128, 128, 128]


def test_grows_by_one_a_full_round_and_shrinks_by_a_factor() -> None:
    limiter = Limiter(start=6, most=6)
    assert limiter.take()
    limiter.give_back(0.0, since=0.0, slow=True)
    for expected in (4, 5, 5, 6, 6, 6):
        taken = sum(limiter.take() for _ in range(10))
        for _ in range(taken):
            limiter.give_back(1.0, since=0.5)
        assert limiter.limit in (expected, expected - 1, expected + 1)
    assert limiter.limit == 6
    assert limiter.take()
    limiter.give_back(2.0, since=1.5, slow=True)
    assert limiter.limit == 4
    assert limiter.in_flight == 0


def test_does_not_grow_where_nobody_waits() -> None:
    limiter = Limiter(start=4)
    for _ in range(1000):
        assert limiter.take()
        limiter.give_back(1.0, since=0.5)
    assert limiter.limit == 4


def test_one_burst_of_429_shrinks_once() -> None:
    limiter = Limiter(start=100)
    for _ in range(100):
        assert limiter.take()
    for _ in range(100):
        limiter.give_back(10.0, since=9.0, slow=True)
    assert limiter.limit == 70
    for _ in range(40):
        assert limiter.take()
        limiter.give_back(12.0, since=12.0, slow=True)
    assert limiter.limit == 1
    assert limiter.take()


async def test_first_come_first_served() -> None:
    limiter, order = Limiter(start=1), list[int]()

    async def call(number: int) -> None:
        assert await limiter.queue(until=asyncio.get_running_loop().time() + 60)
        order.append(number)
        await asyncio.sleep(0)
        limiter.give_back(0.0, since=0.0)
        assert not limiter.take() or not limiter.give_back(0.0, since=0.0)

    await asyncio.gather(*map(call, range(50)))
    assert order == list(range(50))
    assert limiter.in_flight == 0


async def test_waiting_ends_with_the_deadline_and_with_cancel() -> None:
    limiter, clock = Limiter(start=1, most=1), asyncio.get_running_loop().time
    assert limiter.take()
    assert not await limiter.queue(until=clock() + 0.01)
    waiting = asyncio.create_task(limiter.queue(until=clock() + 60))
    behind = asyncio.create_task(limiter.queue(until=clock() + 60))
    await asyncio.sleep(0)
    limiter.give_back(0.0, since=0.0)  # the place is waiting's already
    waiting.cancel()
    assert await behind
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert limiter.in_flight == 1
    last = asyncio.create_task(limiter.queue(until=clock() + 60))
    await asyncio.sleep(0)
    limiter.give_back(0.0, since=0.0)
    last.cancel()
    await asyncio.wait({last})
    assert limiter.in_flight == 0
    assert limiter.take()


def test_places_are_handed_between_loops() -> None:
    limiter, done = Limiter(start=2), list[int]()

    async def work() -> None:
        async def call() -> None:
            assert await limiter.queue(until=asyncio.get_running_loop().time() + 60)
            await asyncio.sleep(0)
            limiter.give_back(0.0, since=0.0)
            done.append(1)

        await asyncio.gather(*(call() for _ in range(100)))

    threads = [threading.Thread(target=lambda: asyncio.run(work())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(done) == 400
    assert limiter.in_flight == 0
