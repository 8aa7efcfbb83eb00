"""Plans and verdicts: schemas, references, conformance. Pure functions, no I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from agentlanes.references import (
    Missing,
    agrees,
    renumbered,
    resolve,
    sources,
    with_references,
)
from agentlanes.state import PlanDict, PlanStep, VerdictDict

__all__ = [
    "PLAN_VERDICT_SCHEMA",
    "VERDICT_SCHEMA",
    "approve",
    "binding",
    "canonical",
    "conforms",
    "fully_pinned",
    "kept_share",
    "plan_schema",
    "read_steps",
    "read_verdict",
    "references",
    "reject",
    "resolve_step",
    "same_steps",
]

VERDICT_SCHEMA: dict[str, Any] = {
    "title": "verdict",
    "type": "object",
    "properties": {
        "reason": {"type": "string", "description": "One sentence."},
        "verdict": {"type": "string", "enum": ["approve", "reject"]},
        "suggestion": {
            "description": "The right call, when the proposed one is wrong.",
            "anyOf": [
                {
                    "type": "object",
                    "properties": {"tool": {"type": "string"}, "args": {"type": "object"}},
                    "required": ["tool", "args"],
                },
                {"type": "null"},
            ],
        },
    },
    "required": ["verdict", "reason"],
}
"""JSON schema of a verdict. The reason comes first: a model that has argued judges better."""

PLAN_VERDICT_SCHEMA: dict[str, Any] = {
    **VERDICT_SCHEMA,
    "properties": {
        **VERDICT_SCHEMA["properties"],
        "steps": {
            "description": "The whole corrected plan, when the proposed one is wrong.",
            "anyOf": [
                {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"tool": {"type": "string"}, "args": {"type": "object"}},
                        "required": ["tool", "args"],
                    },
                },
                {"type": "null"},
            ],
        },
    },
}
"""JSON schema of a verdict on a plan. It says little of the steps, which `read_steps` checks:
steps that are wrong are no reason to lose the verdict."""


def plan_schema(tools: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Give the JSON schema of a plan over these tools.

    Arguments are optional in it: those left out are for the act lane to fill in when their step
    comes, or are references to earlier results.

    Args:
        tools: JSON schema of the arguments, by tool name.
    """
    members = [
        {
            "type": "object",
            "properties": {
                "tool": {"const": name},
                "intent": {"type": "string"},
                "args": {
                    "type": "object",
                    "properties": {
                        key: with_references(value, schema)
                        for key, value in (schema.get("properties") or {}).items()
                    },
                    "additionalProperties": False,
                },
            },
            "required": ["tool", "args"],
        }
        for name, schema in tools.items()
    ]
    return {
        "title": "plan",
        "type": "object",
        "properties": {"steps": {"type": "array", "items": {"anyOf": members} if members else {}}},
        "required": ["steps"],
    }


def read_steps(value: object, tools: Mapping[str, Mapping[str, Any]]) -> list[PlanStep] | None:
    """Read the steps of a plan, or `None` where they are not a plan over these tools.

    Args:
        value: What stands where the steps should.
        tools: JSON schema of the arguments, by tool name.
    """
    from jsonschema import Draft202012Validator  # slow to import, and seldom needed

    if not isinstance(value, list) or not tools:
        return None
    # An intent is free text, and nothing hangs on it: whatever else it is, it is left out.
    steps: list[Any] = [
        {k: v for k, v in step.items() if k != "intent" or isinstance(v, str)}
        if isinstance(step, Mapping)
        else step
        for step in value
    ]
    fits = Draft202012Validator(plan_schema(tools)).is_valid({"steps": steps})
    return steps if fits else None


def canonical(args: Mapping[str, Any]) -> str:
    """Write arguments in one form: sorted keys, no spaces, no escapes.

    Example:
        >>> canonical({"b": 1, "a": [1, 2]})
        '{"a":[1,2],"b":1}'
    """
    return _encode(args)


_encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str
).encode  # made once: it takes as long as writing a call
_NO_STEPS = canonical({"steps": []})


def same_steps(steps: Sequence[PlanStep], others: Sequence[PlanStep]) -> bool:
    """Say whether two plans make the same calls, whatever their intents are said to be.

    Example:
        >>> same_steps([{"tool": "t", "args": {}, "intent": "look"}], [{"tool": "t", "args": {}}])
        True
    """
    return [(s["tool"], canonical(s["args"])) for s in steps] == [
        (s["tool"], canonical(s["args"])) for s in others
    ]


def kept_share(steps: Sequence[PlanStep], others: Sequence[PlanStep]) -> float:
    """Give the share of a plan's steps that another plan holds too, with all they refer to.

    Example:
        >>> look = {"tool": "look", "args": {"key": "a"}}
        >>> kept_share([look, {"tool": "t", "args": {"n": {"$step": 1}}}], [look])
        0.5
    """
    left = [(s["tool"], canonical(s["args"]), number) for number, s in enumerate(others, 1)]
    same: dict[int, int] = {}
    for number, step in enumerate(steps, 1):
        if not all(source in same for source in references(step)):
            continue
        asked = step["tool"], canonical(renumbered(step["args"], same.__getitem__))
        found = next((one for one in left if one[:2] == asked), None)
        if found is not None:
            left.remove(found)
            same[number] = found[2]
    return len(same) / len(steps) if steps else 1.0


def binding(
    tool: str,
    args: Mapping[str, Any],
    plan_version: int | None,
    steps: Sequence[PlanStep] = (),
) -> str:
    """Hash that binds a verdict to what it was given for.

    A verdict for one (tool, canonical arguments, plan version) is no approval of any other; nor
    is one for a plan with other steps.
    """
    planned = canonical({"steps": list(steps)}) if steps else _NO_STEPS
    text = f"{tool}\0{canonical(args)}\0{plan_version}\0{planned}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


Judging = Literal["reason", "plan", "code", "skip", "person"]


def approve(by: Judging, reason: str = "") -> VerdictDict:
    """Make an approving verdict."""
    return VerdictDict(status="approve", by=by, reason=reason, suggestion=None, binding="")


def reject(
    by: Judging,
    reason: str,
    suggestion: dict[str, Any] | None = None,
    *,
    steps: list[PlanStep] | None = None,
) -> VerdictDict:
    """Make a rejecting verdict.

    Args:
        by: Who rejects.
        reason: Why.
        suggestion: The call to make instead.
        steps: Of a plan: the whole corrected plan, which then counts without another verdict.
    """
    verdict = VerdictDict(status="reject", by=by, reason=reason, suggestion=suggestion, binding="")
    return verdict if steps is None else {**verdict, "steps": steps}


def read_verdict(reply: Mapping[str, Any]) -> VerdictDict:
    """Turn a schema-checked reply of the reason lane into a verdict."""
    suggestion = reply.get("suggestion")
    return VerdictDict(
        status="approve" if reply["verdict"] == "approve" else "reject",
        by="reason",
        reason=str(reply.get("reason") or ""),
        suggestion=dict(suggestion) if isinstance(suggestion, Mapping) else None,
        binding="",
    )


def references(step: PlanStep) -> list[int]:
    """Give the numbers of the steps that a step's arguments refer to, from 1.

    Example:
        >>> references({"tool": "t", "args": {"n": {"$step": 2, "$path": "a"}, "m": 7}})
        [2]
    """
    return [*sources(step["args"])]


def resolve_step(
    step: PlanStep, results: Sequence[str | None], schema: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """Give a step's arguments with every reference replaced by the value it refers to.

    Args:
        step: The step.
        results: Results of the plan's steps, in order, as the tools gave them; `None` is not
            there yet.
        schema: JSON schema of the tool's arguments, by which a number becomes text where text
            is asked for.

    Returns:
        The arguments, or `None` when a reference cannot be resolved by code.

    Example:
        >>> resolve_step({"tool": "t", "args": {"n": {"$step": 1, "$path": "a"}}}, ['{"a": 7}'])
        {'n': 7}
    """
    inner = (schema or {}).get("properties") or {}
    try:
        return {name: resolve(v, results, inner.get(name)) for name, v in step["args"].items()}
    except Missing:
        return None


def fully_pinned(args: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    """Say whether every argument the tool requires is there."""
    return all(name in args for name in schema.get("required") or ())


def conforms(
    plan: PlanDict, at: int, tool: str, args: Mapping[str, Any], results: Sequence[str]
) -> bool:
    """Say whether a call is the plan's step `at`: same tool, pinned arguments equal.

    Order is respected because `at` is the number of steps before it: none is skipped, repeated
    or inserted.

    Example:
        >>> plan = {"version": 1, "status": "approved", "done": 0, "results": [],
        ...         "steps": [{"tool": "mail", "args": {"to": "bob"}}]}
        >>> conforms(plan, 0, "mail", {"to": "bob", "body": "hi"}, [])
        True
        >>> conforms(plan, 0, "mail", {"to": "eve", "body": "hi"}, [])
        False
    """
    if plan["status"] == "ended" or not 0 <= at < len(plan["steps"]):
        return False
    step = plan["steps"][at]
    if step["tool"] != tool or not step["args"].keys() <= args.keys():
        return False
    try:
        return all(agrees(args[key], value, results) for key, value in step["args"].items())
    except Missing:
        return False
