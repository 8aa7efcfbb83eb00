"""The quick check says yes only where jsonschema does, and says yes to what lanes really send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from agentlanes.context.quick_schema import quick_check
from agentlanes.plan import VERDICT_SCHEMA, plan_schema

NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, 1.0, "a", "b", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
TYPES = ["object", "array", "string", "boolean", "null", "number", "integer"]


def schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(TYPES) | st.just(["string", "null"]),
            "enum": st.lists(st.sampled_from(["a", "b", 1]), min_size=1, max_size=2),
            "const": st.sampled_from(["a", 1]),
            "required": st.lists(NAMES, max_size=2, unique=True),
            "properties": st.dictionaries(NAMES, inner, max_size=2),
            "additionalProperties": st.booleans() | inner,
            "items": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "minLength": st.integers(0, 2),
            "title": st.just("t"),
        },
    )


SCHEMAS = st.recursive(st.just({}) | schemas(st.just({})), schemas, max_leaves=4)


@given(SCHEMAS, VALUES)
def test_yes_means_that_jsonschema_says_yes(schema: Any, value: Any) -> None:
    fits = quick_check(schema)
    if fits is not None and fits(value):
        assert Draft202012Validator(schema).is_valid(value)


def test_what_a_schema_refers_to_elsewhere_is_not_fetched() -> None:
    assert quick_check({"$ref": "http://127.0.0.1:9/schema.json"}) is None


TOOL = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    },
    "required": ["city"],
}
WANTED = {"tool": "t", "args": {}}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (VERDICT_SCHEMA, {"reason": "fine", "verdict": "approve", "suggestion": None}),
        (VERDICT_SCHEMA, {"reason": "", "verdict": "reject", "suggestion": WANTED}),
        (plan_schema({"look": TOOL}), {"steps": [{"tool": "look", "args": {"city": "Oslo"}}]}),
        (TOOL, {"city": "Oslo", "days": 3}),
    ],
)
def test_what_lanes_send_is_said_yes_to_at_once(schema: Any, value: Any) -> None:
    fits = quick_check(schema)
    assert fits is not None
    assert fits(value)
    broken = json.loads(json.dumps(value))
    broken[next(iter(broken))] = 7
    assert not fits(broken)
    assert not fits({**value, "\ud800": 1}), "which is no Unicode text, and jsonschema's to judge"
