"""`verify="auto"`: which drafts go unverified, and that a run ahead decides as the serial one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver

from agentlanes import LanePolicy, build_agent
from agentlanes.errors import ConfigError
from agentlanes.router import DraftCheck, RouteScore, StepFeatures
from agentlanes.router.draft import EVIDENCE, CheckWeights
from agentlanes.testing import ScriptedModel
from tests.oracle import Call, Oracle, World
from tests.test_graph import MIXED, READS, ask

SAID = "Look up a and b, then double 3."
UNSAID: list[Call] = [("look", {"key": "zebra-77"}), ("double", {"number": 41})]
WRITES: list[Call] = [("look", {"key": "a"}), ("store", {"key": "x", "value": "1"})]


class Fixed:
    """A router with one opinion."""

    def __init__(self, score: RouteScore) -> None:
        self.given = score

    def score(self, text: str, step: StepFeatures | None = None) -> RouteScore:
        return self.given


UNSURE = Fixed(RouteScore(0.4, "api_formatting", abstains=True))
SURE = Fixed(RouteScore(0.05, "api_formatting"))
HARD = Fixed(RouteScore(0.55, "plan_validation"))


# What was said is p 0.05, a made-up value 0.38, and where a second model agrees 0.08.
ALONE = CheckWeights(bias=-3.0, weights={"made up": 2.5}, quantiles=(0.2, 0.3, 0.9))
AGREED = CheckWeights(
    bias=-5.0, weights={"made up": 2.5, "disagreement": 6.0}, quantiles=(0.2, 0.3, 0.9)
)
CHECK = DraftCheck({name: AGREED if "second" in name else ALONE for name in EVIDENCE})


async def run(oracle: Oracle, text: str = SAID, **options: Any) -> dict[str, Any]:
    options = {"planning": "never", "quality": 0.8, "router": UNSURE, "labels": False, **options}
    options["check"] = CHECK
    agent = build_agent(oracle.act, oracle.reason, World().tools(), **options)
    return await agent.ainvoke(ask(text))


def judged(oracle: Oracle) -> list[str]:
    return [case["proposal"].get("tool", case["proposal"]["kind"]) for case in oracle.judged]


async def test_drafts_that_pass_go_unverified_and_are_reported() -> None:
    oracle = Oracle(READS)
    result = await run(oracle)
    assert judged(oracle) == ["finish"]
    assert result["run"]["unverified"] == len(READS)
    assert [s["outcome"] for s in result["steps"]].count("skipped") == len(READS)
    assert "locked to check" in result["steps"][0]["route_reason"]


async def test_drafts_that_do_not_pass_are_verified_in_the_same_window() -> None:
    oracle = Oracle(UNSAID)
    result = await run(oracle)
    assert judged(oracle) == ["look", "double", "finish"]
    assert result["run"]["unverified"] == 0
    assert {s["window"] for s in result["steps"] if s["node"] != "deliver"} == {0}


async def test_what_changes_anything_is_verified_at_any_quality() -> None:
    oracle = Oracle(MIXED)
    result = await run(oracle, quality=0.0)
    assert judged(oracle) == ["store", "store", "finish"]
    assert result["run"]["unverified"] == 2


async def test_plans_are_verified_at_any_quality() -> None:
    oracle = Oracle(WRITES)
    await run(oracle, quality=0.0, planning="always")
    assert judged(oracle)[0] == "plan"


@pytest.mark.parametrize(("quality", "calls"), [(0.0, 0), (1.0, 3)])
async def test_the_ends_of_the_knob(quality: float, calls: int) -> None:
    oracle = Oracle(READS)
    result = await run(oracle, quality=quality)
    assert len(judged(oracle)) == calls + 1
    assert result["run"]["unverified"] == len(READS) - calls


async def test_everything_verified_is_what_approve_does() -> None:
    wrong: dict[int, Call] = {1: ("look", {"key": "c"})}
    auto, approve = Oracle(READS, wrong=wrong), Oracle(READS, wrong=wrong)
    one = await run(auto, quality=1.0)
    other = await run(approve, quality=None, verify="approve")
    assert auto.judged == approve.judged
    assert one["committed"] == other["committed"]
    assert one["run"]["unverified"] == other["run"]["unverified"] == 0


async def test_a_sure_gate_is_more_lenient_and_a_hard_turn_verifies_all() -> None:
    lenient, strict, hard = Oracle(UNSAID), Oracle(UNSAID), Oracle(READS)
    sure = await run(lenient, router=SURE, quality=0.6)
    await run(strict, router=UNSURE, quality=0.6)
    await run(hard, router=HARD, quality=0.6)
    assert judged(lenient) == ["finish"]
    assert judged(strict) == ["look", "double", "finish"]
    assert "locked to act" in sure["steps"][0]["route_reason"]
    assert judged(hard) == ["look", "look", "double", "finish"]


async def test_a_router_that_fails_has_everything_verified() -> None:
    class Broken:
        def score(self, text: str, step: StepFeatures | None = None) -> RouteScore:
            raise RuntimeError("no weights")

    oracle = Oracle(READS)
    result = await run(oracle, router=Broken(), quality=0.0)
    assert judged(oracle) == ["look", "look", "double", "finish"]
    assert "the router failed (RuntimeError)" in result["steps"][0]["route_reason"]


async def test_two_rejections_lock_the_turn_to_verdicts() -> None:
    # Wrong stores are rejected; the reads between them are in doubt no more after the second.
    truth: list[Call] = [*WRITES, *READS]
    wrong: dict[int, Call] = {1: ("store", {"key": "x", "value": "9"})}
    once = Oracle(truth, wrong=wrong)
    await run(once, quality=0.2)
    assert judged(once).count("look") == 0
    twice = Oracle(truth, wrong={**wrong, 2: ("store", {"key": "y", "value": "9"})})
    await run(twice, quality=0.2)
    assert judged(twice)[-4:] == ["look", "look", "double", "finish"]


async def test_the_lock_survives_in_the_checkpoint_and_ends_with_the_turn() -> None:
    saver = InMemorySaver()
    config: Any = {"configurable": {"thread_id": "t"}}
    oracle = Oracle(READS, wrong={0: ("store", {"key": "x", "value": "1"})})
    tools = World().tools()
    agent = build_agent(
        oracle.act,
        oracle.reason,
        tools,
        checkpointer=saver,
        quality=0.5,
        router=UNSURE,
        planning="never",
        labels=False,
    )
    await agent.ainvoke(ask(SAID), config)
    first = (await agent.aget_state(config)).values["route"]["lock"]
    assert first["up"] == 1
    await agent.ainvoke(ask(SAID), config)
    second = (await agent.aget_state(config)).values["route"]["lock"]
    assert second["turn"] != first["turn"]


async def test_a_used_up_budget_lets_reads_go() -> None:
    oracle = Oracle(UNSAID)
    policy = LanePolicy(quality=0.9, max_verdicts=0)
    result = await run(oracle, quality=None, verify="auto", policy=policy)
    assert judged(oracle) == ["finish"]
    assert "verdicts are used up" in result["steps"][0]["route_reason"]


async def test_a_second_endpoint_that_agrees_spares_the_verdict() -> None:
    oracle = Oracle(UNSAID)
    second = ScriptedModel(script=oracle._act, model_name="second")
    result = await run(oracle, second=second)
    assert judged(oracle) == ["finish"]
    assert result["run"]["unverified"] == len(UNSAID)


async def test_a_second_endpoint_that_differs_fails_or_is_late_leaves_it_to_the_reason_lane() -> (
    None
):
    def other(messages: list[Any], kwargs: dict[str, Any]) -> AIMessage:
        return AIMessage("", tool_calls=[{"name": "look", "args": {"key": "b"}, "id": "x"}])

    def broken(messages: list[Any], kwargs: dict[str, Any]) -> AIMessage:
        raise RuntimeError("down")

    late = ScriptedModel(script=Oracle(UNSAID)._act, latency_s=5.0)
    for second in (ScriptedModel(script=other), ScriptedModel(script=broken), late):
        oracle = Oracle(UNSAID)
        await run(oracle, second=second, second_budget_s=0.05)
        assert sorted(judged(oracle)) == ["double", "finish", "look"]


@pytest.mark.parametrize("verify", ["match", "skip"])
async def test_quality_and_another_mode_contradict_each_other(verify: Any) -> None:
    with pytest.raises(ConfigError, match="quality"):
        await run(Oracle(READS), verify=verify)


KEYS = st.sampled_from("abz")
CALLS = st.one_of(
    st.builds(lambda key: ("look", {"key": key}), KEYS),
    st.builds(lambda n: ("double", {"number": n}), st.sampled_from((3, 41))),
    st.builds(lambda k, v: ("store", {"key": k, "value": v}), KEYS, st.sampled_from("xy")),
)


@settings(max_examples=40, deadline=None)
@given(
    truth=st.lists(CALLS, max_size=6),
    slips=st.dictionaries(st.integers(0, 5), CALLS, max_size=3),
    quality=st.sampled_from((0.0, 0.3, 0.6, 0.9)),
    run_ahead=st.integers(1, 8),
)
def test_a_run_ahead_decides_as_the_serial_one(
    truth: list[Call], slips: dict[int, Call], quality: float, run_ahead: int
) -> None:
    async def outcome(ahead: int) -> Any:
        oracle = Oracle(truth, wrong=slips, act_s=0.001, reason_s=0.002)
        result = await run(oracle, quality=quality, max_run_ahead=ahead, admission=False)
        return result["committed"], result["answer"], result["run"]["unverified"]

    async def both() -> None:
        assert await outcome(run_ahead) == await outcome(0)

    asyncio.run(both())
