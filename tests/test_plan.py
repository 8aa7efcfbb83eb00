"""Plans: references, conformance, and who answers for an argument the plan left open."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from langchain_core.messages import AIMessage

from agentlanes import build_agent
from agentlanes.context import prompts
from agentlanes.plan import binding, canonical, conforms, plan_schema, resolve_step
from agentlanes.state import PlanDict
from agentlanes.testing import ScriptedModel
from tests.oracle import Oracle, World
from tests.test_graph import ask

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
ARGS = st.dictionaries(st.text("abcdef", min_size=1, max_size=4), VALUES, max_size=4)


def plan_of(*steps: tuple[str, dict[str, Any]]) -> PlanDict:
    listed = [{"tool": tool, "args": args} for tool, args in steps]
    return PlanDict(version=1, status="approved", steps=listed, done=0, results=[])  # type: ignore[typeddict-item]


@given(ARGS, ARGS)
def test_canonical_form_is_equal_just_for_equal_arguments(one: Any, two: Any) -> None:
    same = json.loads(json.dumps(one, sort_keys=True)) == json.loads(json.dumps(two))
    typed = canonical(one) == canonical(two)
    assert typed <= same  # 1 and True are equal in Python and not the same argument
    assert canonical(one) == canonical(dict(reversed(one.items())))


@given(ARGS, st.integers(0, 3))
def test_a_binding_is_for_one_call_of_one_plan_version(args: Any, version: int) -> None:
    bound = binding("mail", args, version)
    assert bound == binding("mail", dict(reversed(args.items())), version)
    assert bound != binding("mail", {**args, "zz": 1}, version)
    assert bound != binding("post", args, version)
    assert bound != binding("mail", args, version + 1)
    assert bound != binding("mail", args, None)


@given(ARGS)
def test_a_call_conforms_to_its_own_step_and_to_no_other(args: Any) -> None:
    plan = plan_of(("mail", args), ("look", args))
    assert conforms(plan, 0, "mail", args, [])
    assert not conforms(plan, 1, "mail", args, [])
    assert not conforms(plan, 2, "mail", args, [])
    assert not conforms(plan, -1, "look", args, [])
    assert not conforms({**plan, "status": "ended"}, 0, "mail", args, [])
    for key in args:
        assert not conforms(plan, 0, "mail", {**args, key: "something else"}, [])


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ({"$step": 1, "$path": "a.0.b"}, 5),
        ({"$step": 1, "$path": "a"}, [{"b": 5}]),
        ({"$step": 2}, "plain text"),
    ],
)
def test_references_are_resolved_by_path(reference: Any, found: Any) -> None:
    results = ['{"a": [{"b": 5}]}', "plain text"]
    assert resolve_step({"tool": "t", "args": {"x": reference}}, results) == {"x": found}


@pytest.mark.parametrize(
    "reference",
    [
        {"$step": 0},
        {"$step": 3},
        {"$step": 1, "$path": "a.9"},
        {"$step": 1, "$path": "z"},
        {"$step": "1"},
        {"$step": True, "$path": "a.b.c"},
    ],
)
def test_what_cannot_be_resolved_is_left_to_the_act_lane(reference: Any) -> None:
    assert resolve_step({"tool": "t", "args": {"x": reference}}, ['{"a": [1]}', ""]) is None


def test_the_plan_schema_takes_values_references_and_open_arguments() -> None:
    listed = {
        "type": "object",
        "$defs": {"Kind": {"enum": ["a", "b"]}},
        "properties": {"kind": {"$ref": "#/$defs/Kind"}, "n": {"type": "integer"}},
        "required": ["kind", "n"],
    }
    schema = Draft202012Validator(plan_schema({"t": listed}))
    for args in ({"kind": "a", "n": 1}, {"kind": {"$step": 1, "$path": "x"}}, {}):
        assert schema.is_valid({"steps": [{"tool": "t", "args": args}]})
    for args in ({"kind": "c"}, {"other": 1}, {"n": "1"}):
        assert not schema.is_valid({"steps": [{"tool": "t", "args": args}]})
    assert not schema.is_valid({"steps": [{"tool": "u", "args": {}}]})


async def test_a_reference_is_filled_in_by_code_without_asking_a_model() -> None:
    truth = [("look", {"key": "a"}), ("store", {"key": "x", "value": "1"})]
    world, oracle = World(), Oracle(truth)
    steps = [
        {"tool": "look", "args": {"key": "a"}},
        {"tool": "store", "args": {"key": "x", "value": {"$step": 1, "$path": ""}}},
    ]
    world.data["a"] = '"one"'
    approve = ScriptedModel(script=lambda m, k: '{"verdict": "approve", "reason": ""}')
    act = ScriptedModel(script=_planned(oracle, steps))
    agent = build_agent(act, approve, world.tools(), planning="always")
    result = await agent.ainvoke(ask())
    assert world.data["x"] == "one"
    assert len(act.calls) == 2, "the plan and the answer"
    assert result["plan"]["done"] == 2


@pytest.mark.parametrize("run_ahead", [0, 8])
@pytest.mark.parametrize("filled", ["1", "wrong"])
@pytest.mark.parametrize("place", [0, 1])
async def test_an_open_argument_has_a_verdict_of_its_own(
    run_ahead: int, filled: str, place: int
) -> None:
    """The plan's verdict has not seen what the act lane puts into an argument it left open."""
    truth = [("look", {"key": "1"}), ("store", {"key": "k", "value": "1"})]
    steps = [{"tool": tool, "args": dict(args)} for tool, args in truth]
    open_name = ("key", "value")[place]
    del steps[place]["args"][open_name]
    tool, args = truth[place]
    world, oracle = World(), Oracle(truth, wrong={place: (tool, {**args, open_name: filled})})

    def judge(messages: Any, kwargs: Any) -> Any:
        said = str(messages[-1].text)
        if '"kind": "plan"' in said:
            return '{"verdict": "approve", "reason": "fine"}'
        return oracle._reason(messages, kwargs)

    act = ScriptedModel(script=_planned(oracle, steps))
    agent = build_agent(
        act, ScriptedModel(script=judge), world.tools(), planning="always", max_run_ahead=run_ahead
    )
    result = await agent.ainvoke(ask())
    assert [(c["tool"], c["args"]) for c in result["committed"]] == truth
    assert [call for call in world.log if call[0] == "store"] == [truth[1]]
    judged = [asked["proposal"] for asked in oracle.judged]
    assert judged[0] == {"kind": "call", "tool": tool, "args": {**args, open_name: filled}}
    if filled == "1":
        assert result["plan"]["status"] == "approved"
        assert [j["kind"] for j in judged] == ["call"]
    else:
        assert result["steps"]


async def test_a_lane_that_cannot_plan_goes_on_call_by_call() -> None:
    truth = [("look", {"key": "a"}), ("store", {"key": "k", "value": "1"})]
    world, oracle = World(), Oracle(truth)

    def script(messages: Any, kwargs: Any) -> Any:
        if prompts.PLAN_SYSTEM in str(messages[0].text):
            return AIMessage("I would rather not say.")
        return oracle._act(messages, kwargs)

    act = ScriptedModel(script=script)
    result = await build_agent(act, oracle.reason, world.tools(), planning="always").ainvoke(ask())
    assert [(c["tool"], c["args"]) for c in result["committed"]] == truth
    plans = [c for c in act.calls if prompts.PLAN_SYSTEM in str(c.messages[0].text)]
    assert len(plans) == 2, "one request and one repair in the whole turn"


def _planned(oracle: Oracle, steps: list[Any]) -> Any:
    """The oracle's act lane, but with this plan."""

    def script(messages: Any, kwargs: Any) -> Any:
        if prompts.PLAN_SYSTEM in str(messages[0].text):
            return AIMessage(json.dumps({"steps": steps}))
        return oracle._act(messages, kwargs)

    return script
