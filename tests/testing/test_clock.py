from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

from agentlanes import build_agent
from agentlanes.testing import Deadlock, RealTrafficRefused, VirtualClock
from tests.oracle import Oracle, World
from tests.test_graph import MIXED, ask

HOUR = 3600.0


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=8))
def test_sleepers_wake_in_the_order_of_their_deadlines(naps: list[tuple[int, int]]) -> None:
    woken: list[tuple[float, int]] = []

    async def sleeper(number: int, first: int, second: int) -> None:
        await asyncio.sleep(first * HOUR)
        await asyncio.sleep(second * HOUR)
        woken.append((asyncio.get_running_loop().time(), number))

    async def all_of_them() -> None:
        await asyncio.gather(*(sleeper(number, *nap) for number, nap in enumerate(naps)))

    with VirtualClock() as clock:
        clock.run(all_of_them())
        assert clock.now == max([a + b for a, b in naps], default=0) * HOUR
    assert [at for at, _ in woken] == sorted((a + b) * HOUR for a, b in naps)
    assert all(at == sum(naps[number]) * HOUR for at, number in woken)


def test_time_jumps_only_when_nothing_is_ready() -> None:
    seen: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(5, lambda: seen.append(loop.time()))
        for _ in range(1000):
            await asyncio.sleep(0)
            assert loop.time() == 0
        await asyncio.sleep(7)
        assert seen == [5]

    VirtualClock.run(main())


def test_timeouts_end_at_their_deadline() -> None:
    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(HOUR):
                await asyncio.Event().wait()
        first = loop.time()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(2 * HOUR), HOUR)
        async with asyncio.timeout(HOUR):
            await asyncio.sleep(1)
        return first, loop.time()

    assert VirtualClock.run(main()) == (HOUR, 2 * HOUR + 1)


def test_time_stands_still_while_threads_work() -> None:
    order: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(1, order.append, "timer")
        release = threading.Event()
        threading.Timer(0.05, release.set).start()
        await asyncio.to_thread(release.wait)
        order.append("thread")
        assert loop.time() == 0
        await asyncio.sleep(2)

    VirtualClock.run(main())
    assert order == ["thread", "timer"]


def test_a_thread_that_nobody_awaits_any_more_still_holds_time() -> None:
    release, ended = threading.Event(), threading.Event()

    def work() -> None:
        release.wait()
        ended.set()

    async def main() -> None:
        waiting = asyncio.create_task(asyncio.to_thread(work))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        release.set()
        await asyncio.sleep(HOUR)
        assert ended.is_set()

    VirtualClock.run(main())


def test_a_queued_call_that_is_cancelled_holds_nothing() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as pool:
            release = threading.Event()
            busy = loop.run_in_executor(pool, release.wait)
            queued = loop.run_in_executor(pool, release.wait)
            queued.cancel()
            release.set()
            await busy
            await asyncio.sleep(3)
        return loop.time()

    assert VirtualClock.run(main()) == 3


def test_threads_of_ones_own_are_waited_for_under_hold() -> None:
    with VirtualClock() as clock:

        async def main() -> str:
            answer = clock.create_future()
            work = threading.Timer(0.02, clock.call_soon_threadsafe, (answer.set_result, "done"))
            with clock.hold():
                work.start()
                async with asyncio.timeout(1):
                    return str(await answer)

        assert clock.run(main()) == "done"
        assert clock.now == 0


def test_what_a_thread_raises_arrives_and_work_may_come_back_to_the_loop() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def half_an_hour() -> float:
            await asyncio.sleep(0)
            return loop.time()

        def there_and_back() -> float:
            return asyncio.run_coroutine_threadsafe(half_an_hour(), loop).result()

        assert await asyncio.to_thread(there_and_back) == 0
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)

    VirtualClock.run(main())


async def waits_for_nobody() -> None:
    await asyncio.get_running_loop().create_future()


async def locks() -> None:
    lock = asyncio.Lock()
    await lock.acquire()
    await asyncio.gather(lock.acquire(), waits_for_nobody())


def test_a_deadlock_is_an_error_that_says_who_waits() -> None:
    async def main() -> None:
        other = asyncio.create_task(locks(), name="the other")
        await asyncio.sleep(7)
        await other

    with VirtualClock() as clock:
        with pytest.raises(Deadlock, match="the other: locks > ") as caught:
            clock.run(main())
        assert caught.value.now == clock.now == 7
        waiting = caught.value.waiting
        assert len(waiting) == 4
        assert any("waits_for_nobody" in task and "test_clock.py:" in task for task in waiting)
        assert any("Lock.acquire" in task for task in waiting)


def test_after_a_deadlock_everything_is_cancelled_and_awaited() -> None:
    ended: list[str] = []

    async def main() -> None:
        try:
            await waits_for_nobody()
        finally:
            await asyncio.sleep(1)
            ended.append("cleaned up")

    with pytest.raises(Deadlock):
        VirtualClock.run(main())
    assert ended == ["cleaned up"]


def test_a_task_that_will_not_be_cancelled_is_a_deadlock_too() -> None:
    async def stubborn() -> None:
        while True:
            try:
                await waits_for_nobody()
            except asyncio.CancelledError:
                continue

    async def main() -> None:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        assert not task.done()

    async def keep_quiet() -> None:
        await asyncio.sleep(0)

    with pytest.raises(Deadlock, match="stubborn"):
        VirtualClock.run(main())
    # The abandoned task is no concern of the next clock.
    VirtualClock.run(keep_quiet())


def test_what_is_left_when_it_closes_is_cancelled_and_its_failures_are_told() -> None:
    told: list[dict[str, Any]] = []

    async def fails_when_cancelled() -> None:
        try:
            await asyncio.sleep(HOUR)
        finally:
            raise OSError("disk full")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        left = asyncio.create_task(fails_when_cancelled())
        await asyncio.sleep(1)
        assert not left.done()

    VirtualClock.run(main())
    assert [str(context["exception"]) for context in told] == ["disk full"]


def test_one_clock_runs_several_coroutines_and_may_start_late() -> None:
    with VirtualClock(100.0) as clock:
        clock.run(asyncio.sleep(1))
        clock.run(asyncio.sleep(1))
        assert clock.now == clock.time() == 102
    assert clock.is_closed()
    coroutine = asyncio.sleep(1)
    with pytest.raises(RuntimeError, match="closed"):
        clock.run(coroutine)
    coroutine.close()


def test_small_steps_far_from_zero_still_pass() -> None:
    async def main() -> float:
        await asyncio.sleep(1e-9)
        await asyncio.sleep(0.001)
        return asyncio.get_running_loop().time()

    with VirtualClock(1e15) as clock:
        assert clock.run(main()) >= 1e15


async def connect(server: socket.socket) -> None:
    await asyncio.open_connection(*server.getsockname())


async def accept(server: socket.socket) -> None:
    await asyncio.get_running_loop().sock_accept(server)


@pytest.mark.parametrize("traffic", [connect, accept])
def test_real_sockets_are_refused(
    traffic: Callable[[socket.socket], Coroutine[Any, Any, None]],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        with pytest.raises(RealTrafficRefused):
            VirtualClock.run(traffic(server))


@pytest.mark.parametrize("planning", ["never", "always"])
@pytest.mark.parametrize("durability", ["sync", "async"])
def test_an_agent_with_a_checkpointer_runs_on_it(planning: Any, durability: Any) -> None:
    """Async nodes, saver, tool timeouts and a synchronous tool, for an hour of virtual time."""
    world, oracle = World(), Oracle([*MIXED, ("double", {"number": 4})], act_s=6, reason_s=600)
    agent = build_agent(
        oracle.act,
        oracle.reason,
        world.tools(),
        planning=planning,
        checkpointer=InMemorySaver(),
        tool_timeout_s=1,
    )

    async def main() -> list[str]:
        config: Any = {"configurable": {"thread_id": "t"}}
        result = await agent.ainvoke(ask(), config, durability=durability)
        assert len(asyncio.all_tasks()) == 1
        return [call["result"] for call in result["committed"]]

    with VirtualClock() as clock:
        assert clock.run(main()) == ["1", "stored", "1", "stored", "8"]
        assert clock.now > 600


def lowest_free_descriptor() -> int:
    descriptor = os.open(os.devnull, os.O_RDONLY)
    os.close(descriptor)
    return descriptor


def test_thousands_of_clocks_leave_no_descriptors_behind() -> None:
    async def main() -> None:
        await asyncio.sleep(1)

    before = lowest_free_descriptor()
    for _ in range(2000):
        VirtualClock.run(main())
    assert lowest_free_descriptor() == before
