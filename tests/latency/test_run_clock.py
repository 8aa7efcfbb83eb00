"""One clock for a run: it stands still while nothing runs, unless a person is waited for."""

from __future__ import annotations

import asyncio

from agentlanes.latency.clock import RunClocks
from agentlanes.testing import VirtualClock


def test_it_goes_on_from_the_last_offset_in_another_invocation() -> None:
    async def go() -> list[float]:
        clocks, first = RunClocks(), object()
        began = clocks.of("run", invocation=first).now_ms()
        await asyncio.sleep(2)
        same = clocks.of("run", invocation=first).now_ms()
        await asyncio.sleep(60)
        resumed = clocks.of("run", invocation=object()).now_ms()
        elsewhere = RunClocks().of("run", invocation=object(), known_ms=1500.0).now_ms()
        return [began, same, resumed, elsewhere]

    assert VirtualClock.run(go()) == [0, 2000, 2000, 1500]


def test_the_time_a_person_takes_counts() -> None:
    async def go() -> tuple[float, object, object]:
        clocks = RunClocks()
        clock = clocks.of("run", invocation=object())
        await asyncio.sleep(1)
        clock.ask()
        await asyncio.sleep(60)
        clock = clocks.of("run", invocation=object())
        clock.answered()
        clock.answered()
        return clock.now_ms(), clock.take_answers(), clock.take_answers()

    assert VirtualClock.run(go()) == (61_000, [(1000, 61_000)], [])
