"""Whether two calls are the same call."""

from __future__ import annotations

from typing import Any

import pytest

from agentlanes.router.agreement import difference

SCHEMA: dict[str, Any] = {
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer", "description": "How many. Default is 1."},
        "unit": {"type": "string", "default": "metric"},
    }
}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"city": "New York"}, {"city": "new york"}),
        ({"city": "New York, NY"}, {"city": "New York NY"}),
        ({"city": "Oslo"}, {"city": "Oslo", "unit": "metric", "days": 1}),
        ({"days": 2}, {"days": 2.0}),
        ({"city": "2024-03-05"}, {"city": "5/3/2024"}),
        ({"city": ["a", "b"]}, {"city": ["A", "B"]}),
        ({}, {}),
    ],
)
def test_the_same_call_written_otherwise(one: Any, other: Any) -> None:
    assert difference(("f", one), ("f", other), SCHEMA) == 0.0
    assert difference(("f", other), ("f", one), SCHEMA) == 0.0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"city": "Oslo"}, {"city": "Bergen"}),
        ({"city": "Oslo"}, {}),
        ({"days": 1}, {"days": True}),
        ({"days": 2}, {}),
        ({"city": ["a", "b"]}, {"city": ["b", "a"]}),
        ({"city": {"a": 1}}, {"city": {"a": 2}}),
    ],
)
def test_another_call(one: Any, other: Any) -> None:
    assert difference(("f", one), ("f", other), SCHEMA) >= 0.5


def test_more_that_differs_is_further_apart() -> None:
    base = {"city": "Oslo", "days": 3}
    near = difference(("f", base), ("f", {**base, "days": 4}), SCHEMA)
    far = difference(("f", base), ("f", {"city": "Bergen", "days": 4}), SCHEMA)
    assert near < far <= difference(("f", base), ("g", base), SCHEMA) == 1.0
