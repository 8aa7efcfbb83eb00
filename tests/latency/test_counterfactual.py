"""What else a run could have taken, held against runs that really did."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentlanes import build_agent
from agentlanes.latency.counterfactual import counterfactuals
from agentlanes.latency.prices import Price
from agentlanes.nodes import SolutionJudge
from agentlanes.plan import approve as approved
from agentlanes.testing import ScriptedModel, VirtualClock
from tests.latency.test_critical import span
from tests.latency.test_spans import ASK, approve, draft, look, run, store


@pytest.mark.parametrize("run_ahead", [0, 1, 2, 8])
def test_the_serial_time_is_what_a_serial_run_takes(run_ahead: int) -> None:
    result, wall_ms = run(max_run_ahead=run_ahead)
    serial, serial_wall_ms = run(max_run_ahead=0)
    found = counterfactuals(result["steps"])
    assert found.serial_ms == pytest.approx(serial_wall_ms)
    assert found.saved_ms == pytest.approx(serial_wall_ms - wall_ms)
    assert found.bound_ms <= found.wall_ms <= found.serial_ms
    assert counterfactuals(serial["steps"]).bound_ms == found.bound_ms


def test_what_a_rejection_costs_is_told_apart() -> None:
    bad = {"outcome": "discarded"}
    spans = [
        span("w0.draft0", "act", 0, 100, **bad),
        span("w0.p0.tool", "tool", 100, 300, "w0.draft0", **bad),
        span("w0.p0.verdict", "reason", 100, 600, "w0.draft0", **bad),
        span("w0.draft1", "act", 300, 400, "w0.draft0", "w0.p0.tool", **bad),
        span("w1.draft0", "act", 600, 700, "w0.draft0", "w0.p0.verdict"),
        span("w1.p0.tool", "tool", 700, 800, "w1.draft0"),
        span("w1.p0.verdict", "reason", 700, 1000, "w1.draft0"),
        span("answer", "act", 1000, 1100, "w1.draft0", "w1.p0.tool", "w1.p0.verdict"),
    ]
    tokens = {"input": 1000, "output": 100, "reasoning": None, "cached": None}
    records = [
        {"spans": [one], "lane": one["kind"], "model": "m", "attempts": 1, "tokens": tokens}
        for one in spans
        if one["kind"] != "tool"
    ]
    records[0]["spans"].append(spans[1])
    records[4]["spans"].append(spans[5])
    found = counterfactuals(records, prices={"m": Price(input_usd=1.0, output_usd=10.0)})
    assert found.serial_ms == 1200  # the call waits for its verdict in the second window
    assert found.bound_ms == 400  # the first window had not been needed
    assert (found.wasted.ms, found.wasted.lane_calls) == (900, 3)
    assert (found.ahead_wasted.ms, found.ahead_wasted.lane_calls) == (300, 1)
    assert found.ahead_wasted.input_tokens == 1000
    assert found.spent.cost_usd == pytest.approx(6 * 0.002)
    assert counterfactuals(records).spent.cost_usd is None
    assert counterfactuals(records).wasted_ms == 900


def test_nothing_known_is_nothing_claimed() -> None:
    found = counterfactuals([{"lane": "act", "attempts": 1}], wall_ms=50)
    assert (found.serial_ms, found.bound_ms, found.saved_ms) == (50, 50, 0)


def test_a_solution_that_several_verdicts_wait_for_counts_once() -> None:
    tools = [look, store]
    act, reason = ScriptedModel(script=draft), ScriptedModel(script=approve)
    judge = SolutionJudge(model=reason, compare=lambda words, case: approved("code"))

    async def go() -> tuple[dict[str, Any], float]:
        agent = build_agent(act, reason, tools, planning="never", judge=judge)
        result: dict[str, Any] = await agent.ainvoke(ASK)
        return result, asyncio.get_running_loop().time() * 1000

    result, wall_ms = VirtualClock.run(go())
    assert len(reason.calls) == 1
    found = counterfactuals(result["steps"], wall_ms=wall_ms)
    work_ms = sum(s["end_ms"] - s["start_ms"] for r in result["steps"] for s in r["spans"])
    assert found.serial_ms <= work_ms
    assert found.serial_ms - wall_ms <= 1000  # the one solution is all there was to wait for
