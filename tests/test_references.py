"""References inside arguments, and numbers that are asked for as text."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agentlanes.plan import conforms, kept_share, plan_schema, references, resolve_step

RESULTS = ['{"n": 6500.0, "of": ["x", "y"]}', "7", "free text"]
SCHEMA = {
    "type": "object",
    "properties": {
        "numbers": {"type": "array", "items": {"type": "number"}},
        "text": {"type": "string"},
        "texts": {"type": "array", "items": {"type": "string"}},
        "deep": {"type": "object", "properties": {"text": {"type": "string"}}},
    },
}


def ref(step: int, path: str = "") -> dict[str, Any]:
    return {"$step": step, "$path": path}


def step(**args: Any) -> Any:
    return {"tool": "t", "args": args}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"numbers": [1, ref(1, "n"), ref(2)]}, {"numbers": [1, 6500.0, 7]}),
        ({"text": ref(1, "n")}, {"text": "6500"}),
        ({"text": ref(2)}, {"text": "7"}),
        ({"text": ref(3)}, {"text": "free text"}),
        ({"texts": [ref(2), ref(1, "of.1")]}, {"texts": ["7", "y"]}),
        ({"deep": {"text": ref(2)}}, {"deep": {"text": "7"}}),
        ({"text": ref(1, "of")}, {"text": ["x", "y"]}),
        ({"texts": [ref(1, "z")]}, None),
        ({"deep": {"text": ref(4)}}, None),
    ],
)
def test_references_inside_arguments_are_looked_up(given: Any, found: Any) -> None:
    assert resolve_step(step(**given), RESULTS, SCHEMA) == found
    if found is not None:
        plan: Any = {"version": 1, "status": "approved", "done": 0, "steps": [step(**given)]}
        assert conforms(plan, 0, "t", found, RESULTS)
        assert not conforms(plan, 0, "t", dict.fromkeys(found, "other"), RESULTS)


def test_only_a_number_that_is_referred_to_may_stand_as_text() -> None:
    plan: Any = {"version": 1, "status": "approved", "done": 0, "steps": [step(text=7)]}
    assert not conforms(plan, 0, "t", {"text": "7"}, RESULTS)
    assert resolve_step(step(text=7), RESULTS, SCHEMA) == {"text": 7}


def test_what_an_argument_refers_to_inside_counts_as_a_source() -> None:
    """Else an effect could be made of what an untrusted tool gave, without a verdict."""
    assert references(step(a=[ref(2), {"b": ref(1)}], c=3)) == [2, 1]


def test_steps_are_the_same_where_what_they_refer_to_is() -> None:
    one, two = {"tool": "look", "args": {"key": "a"}}, {"tool": "look", "args": {"key": "b"}}
    assert kept_share([one, step(a=[ref(1)])], [two, one, step(a=[ref(2)])]) == 1.0
    assert kept_share([one, step(a=[ref(1)])], [two, one, step(a=[ref(1)])]) == 0.5


def test_the_plan_schema_takes_references_inside_arguments() -> None:
    schema = Draft202012Validator(plan_schema({"t": SCHEMA}))
    for args in ({"numbers": [1, ref(1)]}, {"deep": {"text": ref(1)}}, {"deep": ref(1)}):
        assert schema.is_valid({"steps": [step(**args)]})
    for args in ({"numbers": ["1"]}, {"numbers": [{"$path": "a"}]}, {"deep": {"text": 1}}):
        assert not schema.is_valid({"steps": [step(**args)]})
