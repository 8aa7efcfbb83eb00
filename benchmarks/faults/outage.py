"""Rows 21, 22 and 41: an endpoint that is down for a while, one that comes back, a blocked loop."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from agentlanes.errors import AgentLanesError
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.lane import Timers
from agentlanes.lanes.policies.settings import Resilience
from agentlanes.testing import EndpointServer, Fault, Latency, Reply, RequestLog
from benchmarks.faults.lab import (
    APPROVE,
    TEXT,
    Checks,
    Row,
    World,
    agent_at,
    call,
    lag,
    lane_at,
    lanes_at,
)

__all__ = ["ROWS"]

_DOWN_S = 60.0
_OPEN_S, _MOST_OPEN_S = 1.0, 4.0
_BLOCKED_S = 0.5


async def reason_lane_down(checks: Checks) -> None:
    """Agents go on asking a reason lane that is down for a minute, and then comes back."""
    world, down = World(), [True]

    def act(body: dict[str, Any]) -> Reply:
        wants = "book" if "book" in str(body["messages"]) else "look"
        if "tools" in body and not any(m["role"] == "tool" for m in body["messages"]):
            return Reply(tool_calls=[(wants, {"city": "Paris"})])
        return Reply(content="done")

    def plan(log: RequestLog) -> Fault | None:
        kinds = (Fault(kind="status"), Fault(kind="reset"), Fault(kind="stall", after_chunks=0))
        return kinds[log.nth % 3] if log.model == "reason" and down[0] else None

    script = {"act": act, "reason": lambda body: Reply(content=APPROVE)}
    async with EndpointServer(script, faults=plan) as server:
        resilience = Resilience(breaker_open_s=_OPEN_S, breaker_max_open_s=_MOST_OPEN_S)
        timers = Timers(connect_s=2, first_token_s=0.5, progress_s=0.5, total_s=5)
        reason = lane_at(server.base_url, "reason", resilience=resilience, timers=timers)
        agent = agent_at(lane_at(server.base_url, "act"), reason, world)

        async def run(text: str) -> Any:
            try:
                return await agent.ainvoke({"messages": [("user", text)]})
            except AgentLanesError as error:
                return type(error).__name__

        ends, runs, flagged = time.monotonic() + _DOWN_S, 0, 0
        while time.monotonic() < ends:
            read, write = await asyncio.gather(run("look at Paris"), run("book Paris"))
            runs += 1
            if isinstance(read, dict):
                flagged += read["run"]["unverified"] >= 1 and read["answer"] == "done"
            else:
                checks.that(False, f"a read ended with {read}")
            checks.that(write == "VerdictUnavailable", f"a write ended with {write}")
            await asyncio.sleep(0.2)
        asked = sum(log.model == "reason" for log in server.requests)
        checks.that(flagged == runs, f"{flagged} of {runs} reads were flagged unverified")
        checks.that("book Paris" not in world.ran, "a write ran without a verdict")
        checks.that(asked < 2 * runs, f"{asked} requests to a lane that is down, in {runs} runs")
        checks.saw(f"{runs} reads flagged, {runs} writes refused, {asked} requests in 60 s")
        down[0], up = False, time.monotonic()
        back: Any = None
        while not isinstance(back, dict) and time.monotonic() < up + 60:
            back = await run("book Paris")
            await asyncio.sleep(0.05)
        took_s = time.monotonic() - up
        checks.that(isinstance(back, dict) and "book Paris" in world.ran, f"not back: {back}")
        checks.that(took_s <= _MOST_OPEN_S + 3.0, f"back only after {took_s:.1f} s")
        checks.saw(f"back after {took_s:.1f} s (open for at most {_MOST_OPEN_S:g} s)")


async def half_open(checks: Checks) -> None:
    """A hundred callers are there when the breaker is half-open."""
    for recovers in (True, False):
        broken = [True]
        resilience = Resilience(breaker_open_s=0.3, breaker_max_open_s=0.6)
        latency = Latency(first_token_s=0.3)

        def plan(log: RequestLog, broken: list[bool] = broken) -> Fault | None:
            return Fault(kind="status", status=503) if broken[0] else None

        async with lanes_at(
            faults=plan, latency=latency, resilience=resilience, max_attempts=1
        ) as (server, lane):
            model = lane()
            for _ in range(5):
                await call(model)
            opened = len(server.requests)
            checks.that(await call(model) == "EndpointDown", "the breaker did not open")
            checks.that(len(server.requests) == opened, "an open breaker let a request through")
            await asyncio.sleep(0.7)
            broken[0] = not recovers
            seen = await asyncio.gather(*(call(model) for _ in range(100)))
            log = server.requests[opened:]
            during = [r for r in log if r.t_start < (log[0].t_end or 0.0)]
        checks.that(len(during) == 1, f"{len(during)} requests while the probe was out")
        if recovers:
            checks.that(seen == [TEXT] * 100, f"ended with {set(seen)}")
            checks.saw("1 probe, then all 100 answered")
        else:
            checks.that(len(log) == 1, f"{len(log)} requests at an endpoint that is still down")
            ended = {name: seen.count(name) for name in set(seen)}
            wanted = {"EndpointOverloaded": 1, "EndpointDown": 99}
            checks.that(ended == wanted, f"ended with {ended}")
            checks.saw("still down: 1 probe, 99 fail at once")


async def blocked_loop(checks: Checks) -> None:
    """Everybody's timers run out while nothing can be read, though all answers have arrived."""
    timers = Timers(connect_s=2, first_token_s=0.35, progress_s=0.35, total_s=5)
    server = EndpointServer(
        lambda body: Reply(content=TEXT), latency=Latency(first_token_s=0.1, token_s=0.005)
    )
    with server.serve_in_thread():
        model = LaneChatModel.from_lane(lane_at(server.base_url, timers=timers), "act")
        checks.that(await call(model) == TEXT, "the first call failed")
        for _ in range(2):
            calls = [asyncio.create_task(call(model)) for _ in range(12)]
            await asyncio.sleep(0.03)
            async with lag() as late:
                await asyncio.sleep(0.03)
                time.sleep(_BLOCKED_S)  # noqa: ASYNC251 - blocking the loop is the fault
                seen = await asyncio.gather(*calls)
            checks.that(late.worst_s > 0.4, "the loop was not blocked")
            checks.that(seen == [TEXT] * 12, f"ended with {set(seen)}")
        closed = model._ways[0][0].breaker.closed
        checks.that(closed, "the breaker opened")
        checks.saw(f"24 calls in flight while blocked {1000 * _BLOCKED_S:.0f} ms: all answered")
        await model.aclose()


ROWS = (
    Row(
        number=21,
        name="reason lane down 60 s",
        expected="no write; reads flagged; recovery <= open time + 1 probe",
        run=reason_lane_down,
        apart=True,
    ),
    Row(
        number=22,
        name="half-open with 100 waiting",
        expected="exactly 1 probe",
        run=half_open,
    ),
    Row(
        number=41,
        name="event loop blocked 500 ms",
        expected="breaker does not trip",
        run=blocked_loop,
    ),
)
