"""Rows 9 to 17: connections that break, replies that stop, and bodies that are none."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import Any

from agentlanes.lanes.lane import Timers
from agentlanes.testing import EndpointServer, Fault, Reply, on_requests
from benchmarks.faults.lab import (
    APPROVE,
    ROLES,
    SHORT,
    TEXT,
    Checks,
    Row,
    World,
    agent_at,
    call,
    fine,
    lag,
    lane_at,
    lanes_at,
)

__all__ = ["ROWS"]

_ALLOWED_S = 0.25
_MEMORY_MIB = 32
_WHOLE = {"extra_body": {"stream": False}}


async def before_headers(checks: Checks) -> None:
    faults = [
        Fault(kind="reset", close="rst"),
        Fault(kind="reset", close="fin"),
        Fault(kind="short_head"),
        Fault(kind="short_body", close="rst"),
        Fault(kind="short_body", close="fin"),
    ]
    for role in ROLES:
        for how in ("ask", "stream"):
            for fault in faults:
                async with lanes_at(faults=on_requests(fault, 1)) as (server, lane):
                    seen = await call(lane(role), how)  # type: ignore[arg-type]
                    count = len(server.requests)
                name = f"{role} {how} {fault.kind} {fault.close}"
                checks.that((seen, count) == (TEXT, 2), f"{name}: {seen}, {count} requests")
    checks.saw("RST, FIN, half a header, a promised body that never came: recover with 2 requests")


async def _ends_in_time(checks: Checks, fault: Fault, cap_s: float, timers: Timers) -> None:
    """Check that a call ends within its cap, on both lanes, streamed, shown, and whole."""
    for role in ROLES:
        for how, fields in (("ask", {}), ("stream", {}), ("ask", _WHOLE)):
            plan = on_requests(fault)
            async with lanes_at(faults=plan, timers=timers, **fields) as (server, lane):
                async with lag() as late:
                    began = time.monotonic()
                    seen = await call(lane(role), how)  # type: ignore[arg-type]
                    took_s = time.monotonic() - began
                await server.wait_idle()
                left = all(request.aborted for request in server.requests)
            whole = timers.total_s if fields else cap_s
            name = f"{role} {how}{' whole' if fields else ''} {fault.kind}"
            most = whole + _ALLOWED_S + late.worst_s
            checks.that(took_s <= most, f"{name}: took {took_s:.2f} s, cap {whole:g} s")
            checks.that(seen == "DeadlineExceeded", f"{name}: ended with {seen}")
            checks.that(left, f"{name}: the connection stayed open")
            checks.that(len(server.requests) == 1, f"{name}: {len(server.requests)} requests")
            checks.saw(f"{name} {took_s:.2f} s")


async def header_stall(checks: Checks) -> None:
    await _ends_in_time(checks, Fault(kind="stall", after_chunks=0), 0.4, SHORT)


async def drip(checks: Checks) -> None:
    patient = Timers(connect_s=2, first_token_s=5, progress_s=5, total_s=1.0)
    await _ends_in_time(checks, Fault(kind="drip", every_s=0.02), 1.0, patient)


async def silence(checks: Checks) -> None:
    for fault in (
        Fault(kind="stall", after_chunks=3),
        Fault(kind="pings", every_s=0.05),
        Fault(kind="empty_deltas", every_s=0.05),
    ):
        await _ends_in_time(checks, fault, 0.4, SHORT)


async def mid_stream(checks: Checks) -> None:
    for close in ("rst", "fin"):
        fault = Fault(kind="cut", after_chunks=3, close=close)  # type: ignore[arg-type]
        for role in ROLES:
            async with lanes_at(faults=on_requests(fault, 1)) as (server, lane):
                seen = await call(lane(role))
                count = len(server.requests)
            checks.that((seen, count) == (TEXT, 2), f"{role} once {close}: {seen}, {count}")
            async with lanes_at(faults=on_requests(fault)) as (server, lane):
                seen = await call(lane(role))
                count = len(server.requests)
                checks.that((seen, count) == ("IncompleteReply", 3), f"{close}: {seen}, {count}")
                seen = await call(lane(role), "stream")
                made = len(server.requests) - count
                checks.that((seen, made) == ("IncompleteReply", 1), f"{close}: {seen}, {made}")
        ran = await _drafting(fault)
        checks.that(not ran, f"{close}: ran {ran}")
    checks.saw("nothing surfaced: asked again; streamed tokens: IncompleteReply; no tool ran")


async def _drafting(fault: Fault) -> list[str]:
    """Run an agent whose drafts break off; give the calls that ran."""
    world = World()

    def act(body: dict[str, Any]) -> Reply:
        return Reply(tool_calls=[("look", {"city": "Paris"})], fault=fault)

    async with EndpointServer({"act": act, "reason": lambda body: Reply(content=APPROVE)}) as at:
        agent = agent_at(lane_at(at.base_url, "act"), lane_at(at.base_url, "reason"), world)
        try:
            await agent.ainvoke({"messages": [("user", "look at Paris")]})
        except Exception as error:
            if type(error).__module__ != "agentlanes.errors":
                return [*world.ran, f"{type(error).__name__}: {error}"]
        else:
            return [*world.ran, "an answer"]
    return world.ran


async def no_end(checks: Checks) -> None:
    for role in ROLES:
        for kind, how, fields in (
            ("no_done", "ask", {}),
            ("no_done", "stream", {}),
            ("no_finish", "ask", {}),
            ("no_finish", "stream", {}),
            ("no_finish", "ask", _WHOLE),
        ):
            plan = on_requests(Fault(kind=kind))  # type: ignore[arg-type]
            async with lanes_at(faults=plan, **fields) as (_, lane):
                seen = await call(lane(role), how)  # type: ignore[arg-type]
            checks.that(seen == "IncompleteReply", f"{role} {kind} {how}: {seen}")
    checks.saw("IncompleteReply without [DONE] and without finish reason")


async def bad_bytes(checks: Checks) -> None:
    for role in ROLES:
        for fields in ({}, _WHOLE):
            for kind in ("bad_json", "bad_utf8", "long_line"):
                plan = on_requests(Fault(kind=kind))  # type: ignore[arg-type]
                async with lanes_at(faults=plan, **fields) as (_, lane):
                    seen = await call(lane(role))
                checks.that(seen == "MalformedReply", f"{role} {kind}: {seen}")
            text = "Zürich, 東京, 🙂"
            split = Reply(content=text, fault=Fault(kind="split_utf8"))
            async with lanes_at(lambda body, split=split: split, **fields) as (_, lane):
                seen = await call(lane(role))
            checks.that(seen == text, f"{role} split: {seen}")
    grew, raw = await _memory_of_a_long_line()
    checks.that(grew < _MEMORY_MIB, f"20 MB lines took {grew:.1f} MiB")
    checks.saw(
        f"MalformedReply three times, the split text whole, memory +{grew:.1f} MiB "
        f"(the SDK alone: +{raw:.1f} MiB)"
    )


async def _memory_of_a_long_line() -> tuple[float, float]:
    """Give the MiB by which another process grew at its most, over 20 MB lines, and the SDK."""
    plan = on_requests(Fault(kind="long_line"), *range(2, 10))
    async with EndpointServer(fine, faults=plan) as server:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.faults.long_line", server.base_url,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        said, _ = await child.communicate()
    ours, raw = said.decode().split()
    return float(ours), float(raw)


async def error_events(checks: Checks) -> None:
    for role in ROLES:
        for kind in ("error_data", "error_event"):
            for how in ("ask", "stream"):
                plan = on_requests(Fault(kind=kind))  # type: ignore[arg-type]
                async with lanes_at(faults=plan) as (server, lane):
                    seen = await call(lane(role), how)  # type: ignore[arg-type]
                    count = len(server.requests)
                checks.that((seen, count) == ("EndpointOverloaded", 3), f"{kind} {how}: {seen}")
    checks.saw("EndpointOverloaded after 3 requests (the error says that the server broke down)")


async def no_reply(checks: Checks) -> None:
    for role in ROLES:
        for kind in ("html", "json_null", "json_empty", "json_error", "no_choices"):
            for fields in ({}, _WHOLE):
                plan = on_requests(Fault(kind=kind))  # type: ignore[arg-type]
                async with lanes_at(faults=plan, **fields) as (server, lane):
                    seen = await call(lane(role))
                    count = len(server.requests)
                checks.that((seen, count) == ("MalformedReply", 1), f"{role} {kind}: {seen}")
    checks.saw("MalformedReply, 1 request, whether a stream was due or not")


ROWS = (
    Row(
        number=9,
        name="RST, FIN, short body before headers",
        expected="retried",
        run=before_headers,
    ),
    Row(number=10, name="header stall", expected="fails <= cap + 250 ms", run=header_stall),
    Row(number=11, name="body drip", expected="fails <= total + 250 ms", run=drip),
    Row(
        number=12,
        name="silence, pings, empty deltas",
        expected="fails <= progress cap + 250 ms",
        run=silence,
    ),
    Row(
        number=13,
        name="RST or FIN mid-stream",
        expected="no partial surfaced, no tool run",
        run=mid_stream,
    ),
    Row(
        number=14,
        name="missing [DONE] or finish reason",
        expected="IncompleteReply",
        run=no_end,
    ),
    Row(
        number=15,
        name="bad JSON, bad UTF-8, 20 MB line, split UTF-8",
        expected="typed error; the split one succeeds; memory + < 32 MiB",
        run=bad_bytes,
    ),
    Row(
        number=16,
        name="`error` in data, `event: error`",
        expected="typed error",
        run=error_events,
    ),
    Row(
        number=17,
        name="200 with HTML, null, empty, error object, choices=[]",
        expected="MalformedReply",
        run=no_reply,
    ),
)
