"""How long calls take, and what they cost, with so many of them in flight."""

from __future__ import annotations

import asyncio
import gc
import resource
import statistics
import time
from dataclasses import dataclass

from benchmarks.client.callers import Caller

__all__ = ["LEVELS", "Level", "Sample", "measure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A load.

    Attributes:
        in_flight: Calls that are under way at once.
        answer_ms: What the endpoint takes for each.
        calls: Calls in all.
        at_once: Whether all begin together, rather than evenly over the time of one answer.
        rounds: How often it is measured, by default.
    """

    in_flight: int
    answer_ms: int
    calls: int
    at_once: bool = False
    rounds: int = 5


LEVELS = (
    Level(in_flight=1, answer_ms=20, calls=40),
    Level(in_flight=100, answer_ms=5_000, calls=200),
    Level(in_flight=2_000, answer_ms=1_000, calls=2_000, at_once=True, rounds=2),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One round of one client.

    Attributes:
        p50_ms: Median of what a call takes beyond the endpoint's own time.
        p99_ms: The same, 99th percentile.
        cpu_ms: CPU time of the client's process, a call.
        wall_s: The whole round.
        stall_ms: The longest time the event loop was not free.
        failed: Calls that raised.
    """

    p50_ms: float
    p99_ms: float
    cpu_ms: float
    wall_s: float
    stall_ms: float
    failed: int


async def measure(caller: Caller, level: Level) -> Sample:
    """Measure one round."""
    model = f"answer/{level.answer_ms}"
    took: list[float] = []
    failed = 0

    async def one(at: float) -> None:
        nonlocal failed
        await asyncio.sleep(at - time.perf_counter())
        begun = time.perf_counter()
        try:
            await caller.call(model)
        except Exception:
            failed += 1
        took.append((time.perf_counter() - begun) * 1000 - level.answer_ms)

    await caller.call(model if level.in_flight == 1 else "answer/1")  # what is made once
    gc.collect()
    watched = asyncio.create_task(_longest_stall_ms(stop := asyncio.Event()))
    cpu, begun = _cpu_s(), time.perf_counter()
    if level.in_flight == 1:
        for _ in range(level.calls):
            await one(0.0)
    else:
        gap_s = 0.0 if level.at_once else level.answer_ms / 1000 / level.in_flight
        await asyncio.gather(*(one(begun + nth * gap_s) for nth in range(level.calls)))
    cpu_s, wall_s = _cpu_s() - cpu, time.perf_counter() - begun
    stop.set()
    cuts = statistics.quantiles(took, n=100, method="inclusive")
    return Sample(
        p50_ms=cuts[49],
        p99_ms=cuts[98],
        cpu_ms=cpu_s / level.calls * 1000,
        wall_s=wall_s,
        stall_ms=await watched,
        failed=failed,
    )


async def _longest_stall_ms(stop: asyncio.Event) -> float:
    worst, last = 0.0, time.perf_counter()
    while not stop.is_set():
        await asyncio.sleep(0.005)
        now = time.perf_counter()
        worst, last = max(worst, now - last - 0.005), now
    return worst * 1000


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
