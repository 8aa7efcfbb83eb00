"""Rows 23 and 24: slow endpoints, and what hedging makes of them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from agentlanes.config import Settings
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.policies.settings import Resilience
from agentlanes.testing import EndpointServer, Latency, Reply
from benchmarks.faults.lab import TEXT, Checks, Row, call, lag, lane_at

__all__ = ["ROWS"]

_CALLS, _AT_ONCE = 400, 10
_TRIES, _BUSY_S = 2, 0.1
_USUAL = Latency(first_token_s=0.2)
_SLOW = Latency(first_token_s=2.0)


def _slow_every(nth: int, after: int = 0) -> Any:
    """Answer slowly every nth time."""
    seen = [0]

    def script(body: dict[str, Any]) -> Reply:
        seen[0] += 1
        slow = seen[0] > after and seen[0] % nth == nth // 2
        return Reply(content=TEXT, latency=_SLOW if slow else _USUAL)

    return script


async def _measure(checks: Checks, script: Any, *, hedge: bool) -> tuple[float, float, int]:
    """Give p50 and p99 in seconds, and how many requests were made."""
    first, second = EndpointServer(script()), EndpointServer(script())
    async with first, second:
        lane = lane_at(
            first.base_url, replicas=(second.base_url,), resilience=Resilience(hedge=hedge)
        )
        model = LaneChatModel.from_lane(lane, "act", Settings())
        took_s: list[float] = []
        left = list(range(_CALLS))

        async def worker() -> None:
            while left:
                number = left.pop()
                began = time.monotonic()
                checks.that(await call(model, text=str(number)) == TEXT, "a call failed")
                took_s.append(time.monotonic() - began)

        await asyncio.gather(*(worker() for _ in range(_AT_ONCE)))
        await model.aclose()
        made = len(first.requests) + len(second.requests)
    took_s.sort()
    return took_s[_CALLS // 2], took_s[int(0.99 * _CALLS)], made


async def few_slow(checks: Checks) -> None:
    script = lambda: _slow_every(20)  # noqa: E731
    for _ in range(_TRIES):
        async with lag() as late:
            _, alone, _ = await _measure(checks, script, hedge=False)
            usual, hedged, made = await _measure(checks, script, hedge=True)
        extra = made / _CALLS - 1
        # On a machine that is busy with other things usual calls are late too, and hedged.
        if hedged <= alone / 2 or late.worst_s < _BUSY_S:
            break
    checks.saw(
        f"p99 {1000 * alone:.0f} ms alone, {1000 * hedged:.0f} ms hedged (p50 "
        f"{1000 * usual:.0f} ms), {100 * extra:.1f}% more requests; the loop was late by "
        f"{1000 * late.worst_s:.0f} ms at worst"
    )
    checks.that(hedged <= alone / 2, f"p99 {hedged:.3f} s hedged, {alone:.3f} s alone")
    checks.that(extra <= 0.05, f"{100 * extra:.1f}% more requests")


async def all_slow(checks: Checks) -> None:
    slow_from = _CALLS // 6
    script = lambda: _slow_every(1, after=slow_from)  # noqa: E731
    _, _, made = await _measure(checks, script, hedge=True)
    extra = made - _CALLS
    settings = Resilience()
    checks.saw(f"{extra} hedges for {_CALLS} calls")
    most = settings.hedge_ratio * _CALLS
    checks.that(0 < extra <= most, f"{extra} hedges, {most:.0f} allowed")


ROWS = (
    Row(
        number=23,
        name="5% of act calls 10x slow, 2 endpoints",
        expected="p99 at least halved, <= 5% extra requests",
        run=few_slow,
    ),
    Row(
        number=24,
        name="both endpoints slow",
        expected="hedges within budget",
        run=all_slow,
    ),
)
