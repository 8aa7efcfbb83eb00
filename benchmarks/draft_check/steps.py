"""BFCL's single-turn function-calling steps: one request, one right call, from the pinned wheel."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentlanes.bench.bfcl_data import fetch_wheel, read_lines

__all__ = ["CATEGORIES", "Step", "is_right", "load_steps"]

CATEGORIES = ("simple_python", "multiple", "live_simple")
"""BFCL v4's categories of one call in Python's types: 400, 200 and 258 steps."""

_JSON_TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One function-calling step.

    Attributes:
        id: BFCL's id.
        category: One of `CATEGORIES`.
        messages: What was said, as role and content.
        tools: The functions on offer, each with `name`, `description` and JSON-schema `parameters`.
        truth: BFCL's possible answer: by function name and argument, the values that are right;
            an empty text among them says that the argument may be left out.
    """

    id: str
    category: str
    messages: tuple[Mapping[str, str], ...]
    tools: tuple[Mapping[str, Any], ...]
    truth: Mapping[str, Mapping[str, Sequence[Any]]]

    @property
    def text(self) -> str:
        """The user's words."""
        return "\n".join(m["content"] for m in self.messages if m["role"] == "user")


def load_steps(seed: int = 5) -> list[Step]:
    """Read all steps in an order shuffled by `seed`, so that any beginning is a fair sample."""
    wheel = fetch_wheel()
    steps = []
    for category in CATEGORIES:
        answers = {
            row["id"]: row["ground_truth"]
            for row in read_lines(wheel, f"possible_answer/BFCL_v4_{category}.json")
        }
        steps += [
            Step(
                id=row["id"],
                category=category,
                messages=tuple(row["question"][0]),
                tools=tuple(_tool(function) for function in row["function"]),
                truth=answers[row["id"]][0],
            )
            for row in read_lines(wheel, f"BFCL_v4_{category}.json")
        ]
    random.Random(seed).shuffle(steps)
    return steps


def is_right(step: Step, tool: str | None, args: Mapping[str, Any]) -> bool:
    """Say whether a call is BFCL's answer: its function, and for each argument a right value.

    As BFCL's own checker compares: texts without case, spaces and the signs ``,./-_*^``; integers
    count as floats; lists in order; an argument with an empty text among its values is optional.
    """
    if tool is None or tool not in step.truth:
        return False
    wanted = step.truth[tool]
    if not args.keys() <= wanted.keys():
        return False
    return all(
        _among(args[name], values) if name in args else "" in values
        for name, values in wanted.items()
    )


def _among(value: Any, allowed: Sequence[Any]) -> bool:
    return any(_same(value, one) for one in allowed)


def _same(value: Any, right: Any) -> bool:
    if isinstance(value, str) or isinstance(right, str):
        return isinstance(value, str) and isinstance(right, str) and _plain(value) == _plain(right)
    if isinstance(value, bool) or isinstance(right, bool):
        return value is right
    if isinstance(value, int | float) and isinstance(right, int | float):
        return float(value) == float(right)
    if isinstance(value, list) and isinstance(right, list | tuple):
        return len(value) == len(right) and all(map(_same, value, right))
    if isinstance(value, dict) and isinstance(right, dict):
        # inside an object BFCL lists the right values of each member once more
        if not value.keys() <= right.keys():
            return False
        return all(
            _among(value[name], _listed(ok)) if name in value else "" in _listed(ok)
            for name, ok in right.items()
        )
    return value is None and right is None


def _listed(allowed: Any) -> Sequence[Any]:
    return allowed if isinstance(allowed, list) else [allowed]


def _plain(text: str) -> str:
    return re.sub(r"[ ,./\-_*^]", "", text).lower().replace("'", '"')


def _tool(function: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": function["name"],
        "description": function.get("description", ""),
        "parameters": _schema(function["parameters"]),
    }


def _schema(given: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the wheel's schema dialect (`dict`, `float`, `tuple`, `any`) into JSON schema."""
    schema: dict[str, Any] = {}
    for key, value in given.items():
        if key == "type":
            kind = _JSON_TYPES.get(value, value)
            if kind is not None:
                schema["type"] = kind
        elif key == "properties":
            schema[key] = {name: _schema(member) for name, member in value.items()}
        elif key == "items":
            schema[key] = _schema(value)
        elif key in ("description", "enum", "default", "required"):
            schema[key] = value
    return schema
