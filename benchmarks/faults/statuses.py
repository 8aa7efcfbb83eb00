"""Rows 1 to 8: HTTP errors, and who is asked again when."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from email.utils import formatdate
from typing import Any

from agentlanes.lanes.policies.deadline import deadline_scope
from agentlanes.lanes.policies.settings import Resilience
from agentlanes.testing import Fault, RequestLog, on_requests
from benchmarks.faults.lab import ROLES, TEXT, Checks, Row, call, lag, lanes_at

__all__ = ["ROWS"]

_NO_BREAKER = {"breaker_failures": 10**9, "breaker_least": 10**9}
_CALLS = 1000


async def always_503(checks: Checks) -> None:
    for role in ROLES:
        for how in ("ask", "stream"):
            async with lanes_at(faults=on_requests(Fault(kind="status"))) as (server, lane):
                seen = await call(lane(role), how)  # type: ignore[arg-type]
                count = len(server.requests)
                checks.that(
                    (seen, count) == ("EndpointOverloaded", 3), f"{role} {how}: {seen}, {count}"
                )
    checks.saw("3 requests, EndpointOverloaded, both lanes, whole and streamed")


async def all_5xx(checks: Checks) -> None:
    statuses = (500, 502, 503, 504)

    def plan(log: RequestLog) -> Fault:
        return Fault(kind="status", status=statuses[log.nth % 4])

    for name, settings in (("budget alone", _NO_BREAKER), ("with breaker", {})):
        resilience = Resilience(transient_base_s=0.001, **settings)  # type: ignore[arg-type]
        async with lanes_at(faults=plan) as (server, lane):
            model = lane("reason", resilience=resilience)
            began = time.monotonic()
            seen = await asyncio.gather(*(call(model, text=str(n)) for n in range(_CALLS)))
            took_s = time.monotonic() - began
            made = len(server.requests)
        most = 1.10 * _CALLS + resilience.retry_burst + resilience.retry_per_s * took_s
        checks.saw(f"{name}: {made} requests for {_CALLS} calls")
        checks.that(made <= most, f"{name}: {made} requests, more than {most:.0f}")
        wrong = set(seen) - {"EndpointOverloaded", "EndpointDown"}
        checks.that(not wrong, f"{name}: {wrong}")


async def transient_once(checks: Checks) -> None:
    statuses = (408, 409, 425, 500, 502, 503, 504)
    for role in ROLES:
        for how in ("ask", "stream"):
            for status in statuses:
                plan = on_requests(Fault(kind="status", status=status), 1)
                async with lanes_at(faults=plan) as (server, lane):
                    seen = await call(lane(role), how)  # type: ignore[arg-type]
                    count = len(server.requests)
                    checks.that((seen, count) == (TEXT, 2), f"{role} {how} {status}: {seen}")
    checks.saw(f"{len(statuses)} statuses recover with 2 requests")


async def final_statuses(checks: Checks) -> None:
    statuses = (400, 401, 403, 404, 422)
    for role in ROLES:
        for status in statuses:
            plan = on_requests(Fault(kind="status", status=status))
            async with lanes_at(faults=plan) as (server, lane):
                seen = await call(lane(role))
                count = len(server.requests)
                checks.that((seen, count) == ("EndpointRefused", 1), f"{status}: {seen}, {count}")
    forbidden = Fault(kind="status", status=503, headers=(("x-should-retry", "false"),))
    async with lanes_at(faults=on_requests(forbidden)) as (server, lane):
        await call(lane())
        checks.that(len(server.requests) == 1, "x-should-retry: false was asked again")
    checks.saw(f"{len(statuses)} statuses and x-should-retry: false, 1 request")


async def retry_after(checks: Checks) -> None:
    async def gap(name: str, throttled: Any) -> None:
        value: list[float] = []

        def plan(log: RequestLog) -> Fault | None:
            if log.nth > 1:
                return None
            fault, wait_s = throttled()
            value.append(wait_s)
            return fault

        async with lanes_at(faults=plan) as (server, lane), lag() as late:
            seen = await call(lane("reason"))
            if len(server.requests) != 2:
                checks.that(False, f"{name}: {seen}, {len(server.requests)} requests")
                return
            refused, again = server.requests
            waited_s = again.t_start - (refused.t_end or 0.0)
        least, most = value[0] - 0.01, 1.2 * value[0] + late.worst_s + 0.05
        checks.saw(f"{name} {value[0]:.2f} s: waited {waited_s:.2f} s")
        checks.that(least <= waited_s <= most, f"{name}: waited {waited_s:.3f}, not {value[0]:.3f}")

    def dated() -> tuple[Fault, float]:
        at = math.ceil(time.time()) + 1
        when = formatdate(at, usegmt=True)
        return Fault(kind="status", status=429, retry_after=when), at - time.time()

    in_ms = Fault(kind="status", status=429, headers=(("retry-after-ms", "700"),))
    await asyncio.gather(
        gap("seconds", lambda: (Fault(kind="status", status=429, retry_after="1"), 1.0)),
        gap("ms", lambda: (in_ms, 0.7)),
        gap("date", dated),
    )


async def odd_retry_after(checks: Checks) -> None:
    async def one(value: str, role: Any) -> None:
        plan = on_requests(Fault(kind="status", status=429, retry_after=value))
        async with lanes_at(faults=plan) as (server, lane), lag() as late:
            began = time.monotonic()
            with deadline_scope(asyncio.get_running_loop().time() + 1.5):
                seen = await call(lane(role))
            took_s = time.monotonic() - began
            checks.that(took_s <= 1.75 + late.worst_s, f"{value}: took {took_s:.2f} s")
            checks.that(
                seen in ("EndpointOverloaded", "DeadlineExceeded"), f"{value}: ended with {seen}"
            )
            checks.saw(f"{value}: {len(server.requests)} in {took_s:.2f} s")

    await asyncio.gather(*(one(value, "act") for value in ("0", "-5", "NaN", "130", "1e400")))


async def quota(checks: Checks) -> None:
    for role in ROLES:
        plan = on_requests(Fault(kind="insufficient_quota"))
        async with lanes_at(faults=plan) as (server, lane):
            seen = await call(lane(role))
            count = len(server.requests)
            checks.that((seen, count) == ("EndpointRefused", 1), f"{role}: {seen}, {count}")
    checks.saw("1 request, EndpointRefused")


async def rate_limit(checks: Checks) -> None:
    reset_s = 0.5
    free_at = [0.0]

    def plan(log: RequestLog) -> Fault:
        now = time.monotonic()
        if now < free_at[0]:
            return Fault(kind="status", status=429)
        free_at[0] = now + reset_s
        told = (
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", f"{1000 * reset_s:.0f}ms"),
        )
        return Fault(kind="headers", headers=told)

    async with lanes_at(faults=plan) as (server, lane):
        model = lane()
        for _ in range(4):
            checks.that(await call(model) == TEXT, "a call failed")
        statuses = [log.status for log in server.requests]
        starts = [log.t_start for log in server.requests]
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    checks.saw(f"{statuses.count(429)} of {len(statuses)} refused, gaps {min(gaps):.2f} s and more")
    checks.that(statuses == [200] * 4, f"statuses {statuses}")


ROWS = (
    Row(
        number=1,
        name="503 for ever",
        expected="exactly 3 requests, typed error",
        run=always_503,
    ),
    Row(
        number=2,
        name="all 5xx, 1,000 calls",
        expected="requests <= 1.10 N + floor",
        run=all_5xx,
    ),
    Row(
        number=3,
        name="408/409/425/500/502/503/504 once",
        expected="recovers, 2 requests",
        run=transient_once,
    ),
    Row(number=4, name="400/401/403/404/422", expected="1 request", run=final_statuses),
    Row(
        number=5,
        name="Retry-After as seconds, ms, date",
        expected="gap >= value, <= +20%",
        run=retry_after,
    ),
    Row(
        number=6,
        name="Retry-After 0, -5, NaN, 130, 1e400",
        expected="no crash, never past the deadline",
        run=odd_retry_after,
    ),
    Row(number=7, name="insufficient_quota", expected="1 request", run=quota),
    Row(
        number=8,
        name="x-ratelimit-remaining 0",
        expected="next call held until reset, no further 429",
        run=rate_limit,
    ),
)
