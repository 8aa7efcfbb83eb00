"""A process whose wall clock jumps by an hour while its lanes work. Prints what it found.

The clock is moved by libfaketime where that is installed (Debian: `faketime`), through the file
named in `FAKETIME_TIMESTAMP_FILE`; without it `time.time` is replaced before anything is imported.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from email.utils import formatdate
from pathlib import Path

_HOUR_S = 3600.0
_file = os.environ.get("FAKETIME_TIMESTAMP_FILE")
_true_time = time.time
_offset = [0.0]


def _move(seconds: float) -> None:
    _offset[0] = seconds
    if _file:
        Path(_file).write_text(f"{seconds:+.0f}\n")


if not _file:
    time.time = lambda: _true_time() + _offset[0]

from agentlanes.errors import DeadlineExceeded  # noqa: E402 - after the clock was taken over
from agentlanes.lanes.policies.deadline import deadline_scope  # noqa: E402
from agentlanes.lanes.policies.settings import Resilience  # noqa: E402
from agentlanes.testing import Fault, Latency, Reply, RequestLog  # noqa: E402
from benchmarks.faults.lab import TEXT, Checks, call, lanes_at  # noqa: E402


async def main() -> int:
    """Let the clock jump in the middle of everything that waits or measures."""
    checks = Checks()
    before, monotonic = time.time(), time.monotonic()
    _move(_HOUR_S)
    moved = time.time() - before - (time.monotonic() - monotonic)
    _move(0)
    checks.that(abs(moved - _HOUR_S) < 5, f"the clock cannot be moved: {moved:.1f} s")
    for jump_s in (_HOUR_S, -_HOUR_S):
        await _in_a_stream(checks, jump_s)
        await _open_breaker(checks, jump_s)
        await _rate_limit(checks, jump_s)
        await _dated(checks, jump_s)
        await _deadline(checks, jump_s)
    print("; ".join(checks.wrong or checks.seen))
    return len(checks.wrong)


async def _in_a_stream(checks: Checks, jump_s: float) -> None:
    async with lanes_at(latency=Latency(token_s=0.02)) as (_, lane):
        calls = [asyncio.create_task(call(lane(role))) for role in ("act", "reason")]
        for seconds in (jump_s, 0.0, jump_s):
            await asyncio.sleep(0.1)
            _move(seconds)
        said = await asyncio.gather(*calls)
        _move(0)
    checks.that(said == [TEXT, TEXT], f"a stream ended with {said}")
    checks.saw("streams complete")


async def _open_breaker(checks: Checks, jump_s: float) -> None:
    broken = [True]
    settings = Resilience(breaker_open_s=1.0, breaker_max_open_s=1.0)

    def plan(log: RequestLog) -> Fault | None:
        return Fault(kind="status") if broken[0] else None

    async with lanes_at(faults=plan, resilience=settings, max_attempts=1) as (_, lane):
        model = lane()
        for _ in range(5):
            await call(model)
        broken[0] = False
        _move(jump_s)
        said = await call(model)
        checks.that(said == "EndpointDown", f"the breaker closed by itself: {said}")
        await asyncio.sleep(1.1)
        said = await call(model)
        checks.that(said == TEXT, f"the breaker stayed open: {said}")
        _move(0)
    checks.saw("the breaker keeps its time")


async def _gap(plan: object, jump_s: float, calls: int) -> float:
    """Give the seconds between the first two requests; the clock jumps after the first."""
    async with lanes_at(faults=plan) as (server, lane):  # type: ignore[arg-type]
        model = lane("reason")
        for _ in range(calls):
            await call(model)
            _move(jump_s)
        _move(0)
        first, second = server.requests[:2]
        return second.t_start - (first.t_end or first.t_start)


async def _rate_limit(checks: Checks, jump_s: float) -> None:
    told = (("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "800ms"))
    gap_s = await _gap(lambda log: Fault(kind="headers", headers=told), jump_s, 2)
    checks.that(0.79 <= gap_s <= 2.5, f"an announced limit of 0.8 s held for {gap_s:.2f} s")
    checks.saw("an announced limit holds as long as it says")


async def _dated(checks: Checks, jump_s: float) -> None:
    def plan(log: RequestLog) -> Fault | None:
        if log.nth > 1:
            return None
        now = time.time() - _offset[0]
        headers = (("Date", formatdate(now, usegmt=True)),)
        _move(jump_s)  # the endpoint's clock is right, and ours is not
        when = formatdate(now + 2, usegmt=True)
        return Fault(kind="status", status=429, retry_after=when, headers=headers)

    gap_s = await _gap(plan, jump_s, 1)
    checks.that(0.9 <= gap_s <= 4.0, f"a date 2 s ahead was waited for for {gap_s:.2f} s")
    checks.saw("Retry-After as a date is read against the answer's own date")


async def _deadline(checks: Checks, jump_s: float) -> None:
    async with lanes_at(lambda body: Reply(content=TEXT, fault=Fault(kind="stall"))) as (_, lane):
        began = time.monotonic()
        asyncio.get_running_loop().call_later(0.2, _move, jump_s)
        with deadline_scope(began + 1.0):
            said = await call(lane())
        took_s = time.monotonic() - began
        _move(0)
    checks.that(said == DeadlineExceeded.__name__, f"a deadline ended with {said}")
    checks.that(0.95 <= took_s <= 3.0, f"a deadline of 1 s came after {took_s:.2f} s")
    checks.saw("deadlines keep their time")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
