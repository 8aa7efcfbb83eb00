"""A rejection of a plan that holds the corrected plan, and what becomes of the run with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentlanes import build_agent
from agentlanes.context import prompts
from agentlanes.plan import read_steps, same_steps
from agentlanes.testing import ScriptedModel
from tests.oracle import Oracle, World
from tests.test_graph import ask
from tests.test_plan import _planned

TRUTH = [("look", {"key": "a"}), ("look", {"key": "b"}), ("store", {"key": "k", "value": "1"})]
RIGHT = [{"tool": tool, "args": args} for tool, args in TRUTH]
WRONG = [RIGHT[0], {"tool": "look", "args": {"key": "c"}}, RIGHT[2]]
SCHEMAS = {
    "look": {"properties": {"key": {"type": "string"}}, "required": ["key"]},
    "store": {"properties": {"key": {"type": "string"}, "value": {"type": "string"}}},
}


def judging(oracle: Oracle, steps: object) -> ScriptedModel:
    """Reject every plan with these steps, and judge the rest as the oracle does."""

    def script(messages: Any, kwargs: Any) -> Any:
        if '"kind": "plan"' not in str(messages[-1].text):
            return oracle._reason(messages, kwargs)
        said = {"verdict": "reject", "reason": "another key", "steps": steps}
        return json.dumps(said)

    return ScriptedModel(script=script)


@pytest.mark.parametrize("run_ahead", [0, 8])
async def test_the_corrected_plan_counts_without_another_plan_or_verdict(run_ahead: int) -> None:
    world, oracle = World(), Oracle(TRUTH)
    act, reason = ScriptedModel(script=_planned(oracle, WRONG)), judging(oracle, RIGHT)
    agent = build_agent(
        act, reason, world.tools(), planning="always", max_run_ahead=run_ahead, max_corrections=0
    )
    result = await agent.ainvoke(ask())
    assert [(c["tool"], c["args"]) for c in result["committed"]] == TRUTH
    assert [call for call in world.log if call[0] == "store"] == [TRUTH[2]]
    assert (result["plan"]["version"], result["plan"]["steps"]) == (1, RIGHT)
    assert len(reason.calls) == 1, "the verdict on the first plan"
    assert len(act.calls) == 2, "the first plan and the answer"
    assert prompts.CORRECTION_PREFIX not in str([call.messages for call in act.calls])
    if not run_ahead:
        assert world.log == TRUTH


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([{"tool": "nobody", "args": {}}], id="a tool that is not there"),
        pytest.param([{"tool": "look", "args": {"key": 7}}], id="an argument of another type"),
        pytest.param([{"tool": "look", "args": {"nonsense": "a"}}], id="no such argument"),
        pytest.param(WRONG, id="the rejected plan again"),
        pytest.param(None, id="none"),
    ],
)
async def test_steps_that_are_no_correction_leave_a_plain_rejection(steps: object) -> None:
    world, oracle = World(), Oracle(TRUTH, wrong={1: ("look", {"key": "c"})})
    calls: list[str] = []

    def script(messages: Any, kwargs: Any) -> Any:
        said = str(messages[-1].text)
        calls.append("plan" if '"kind": "plan"' in said else "call")
        if calls.count("plan") == 1 and calls[-1] == "plan":
            return json.dumps({"verdict": "reject", "reason": "another key", "steps": steps})
        return oracle._reason(messages, kwargs)

    reason = ScriptedModel(script=script)
    agent = build_agent(oracle.act, reason, world.tools(), planning="always")
    result = await agent.ainvoke(ask())
    assert [(c["tool"], c["args"]) for c in result["committed"]] == TRUTH
    assert calls == ["plan", "plan"], "the corrected plan of the act lane has a verdict of its own"


async def test_a_corrected_plan_without_steps_ends_the_turn() -> None:
    world, oracle = World(), Oracle([])
    act, reason = ScriptedModel(script=_planned(oracle, WRONG)), judging(oracle, [])
    result = await build_agent(act, reason, world.tools(), planning="always").ainvoke(ask())
    assert result["committed"] == []
    assert result["answer"]
    assert not [call for call in world.log if call[0] == "store"]


@pytest.mark.parametrize("run_ahead", [0, 8])
async def test_an_argument_left_open_in_a_corrected_plan_has_a_verdict_of_its_own(
    run_ahead: int,
) -> None:
    opened = [*RIGHT[:2], {"tool": "store", "args": {"key": "k"}}]
    world = World()
    oracle = Oracle(TRUTH, wrong={2: ("store", {"key": "k", "value": "2"})})
    act, reason = ScriptedModel(script=_planned(oracle, WRONG)), judging(oracle, opened)
    agent = build_agent(act, reason, world.tools(), planning="always", max_run_ahead=run_ahead)
    result = await agent.ainvoke(ask())
    assert [(c["tool"], c["args"]) for c in result["committed"]] == TRUTH
    assert [call for call in world.log if call[0] == "store"] == [TRUTH[2]]
    assert [j["proposal"]["args"] for j in oracle.judged] == [
        {"key": "k", "value": "2"},
        {"key": "k", "value": "1"},
    ]


async def test_a_step_that_code_refuses_ends_the_plan_it_is_issued_from() -> None:
    def refuse(case: Any) -> str | None:
        proposal = case.proposal
        return "not this key" if proposal["args"].get("key") == "c" else None

    world, oracle = World(), Oracle(TRUTH)
    act, reason = ScriptedModel(script=_planned(oracle, RIGHT[:1])), judging(oracle, WRONG)
    agent = build_agent(act, reason, world.tools(), planning="always", checks=[refuse])
    result = await agent.ainvoke(ask())
    assert [(c["tool"], c["args"]) for c in result["committed"]] == TRUTH
    assert result["plan"]["status"] == "ended"


def test_steps_are_read_only_where_they_are_a_plan_over_the_tools() -> None:
    reference = [{"tool": "look", "args": {"key": {"$step": 1, "$path": "a"}}}]
    assert read_steps(reference, SCHEMAS) == reference
    assert read_steps([{"tool": "look", "args": {}, "intent": 3}], SCHEMAS) == [
        {"tool": "look", "args": {}}
    ]
    assert read_steps([], SCHEMAS) == []
    for wrong in (None, {}, "steps", ["look"], [{"tool": "look"}], [{"args": {}}]):
        assert read_steps(wrong, SCHEMAS) is None
    assert read_steps([], {}) is None
    assert same_steps([{**RIGHT[0], "intent": "to see"}], RIGHT[:1])  # type: ignore[list-item,arg-type]
    assert not same_steps(RIGHT[:1], RIGHT[:2])  # type: ignore[arg-type]
