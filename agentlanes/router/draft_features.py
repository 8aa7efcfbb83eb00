"""What can be seen of a drafted call without asking the reason lane: numbers from 0 to a few."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentlanes.router.agreement import difference
from agentlanes.router.grounding import Grounds, default_of, leaves

__all__ = ["Draft", "Tool", "draft_features"]

Tool = Mapping[str, Any]
"""A tool as the OpenAI protocol describes a function: `name`, `description`, `parameters`."""

_PLACEHOLDERS = frozenset(
    re.findall(
        r"\S+",
        "string str text value example none null n/a na unknown undefined todo tbd your_api_key "
        "api_key placeholder default",
    )
)
_MAX_SURPRISE = 6.0  # nats; what is less likely than one in 400 is no more telling


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A drafted call.

    Attributes:
        tool: Name of the tool.
        args: The arguments.
        logprobs: The reply's tokens in order, each with its natural log-probability, where the
            endpoint gives them.
    """

    tool: str
    args: Mapping[str, Any]
    logprobs: Sequence[tuple[str, float]] = ()


def draft_features(
    draft: Draft, tools: Sequence[Tool], context: Sequence[str], second: Draft | None
) -> dict[str, float]:
    """Give a draft's features. Those without evidence are left out. Pure.

    Args:
        draft: The draft.
        tools: The tools on offer.
        context: What was said before it.
        second: What a second sample, or a second endpoint, would call.
    """
    by_name = {str(tool.get("name")): tool for tool in tools}
    tool = by_name.get(draft.tool)
    schema: Mapping[str, Any] = (tool or {}).get("parameters") or {}
    found = {"schema": float(tool is None or _misfit(schema, draft.args))}
    said = Grounds(context)
    found |= _grounding(draft, schema, said)
    found["another tool fits better"] = _margin(draft.tool, by_name, said)
    if draft.logprobs:
        found |= _surprise(draft.logprobs)
    if second is not None:
        found["disagreement"] = difference(
            (draft.tool, draft.args), (second.tool, second.args), schema
        )
    return found


def _misfit(schema: Mapping[str, Any], args: Mapping[str, Any]) -> bool:
    """Say whether arguments miss their schema; one that cannot be checked is not missed."""
    from jsonschema import Draft202012Validator  # loaded late: importing the router stays light
    from jsonschema.exceptions import SchemaError

    if args.keys() - (schema.get("properties") or {}).keys() and not schema.get(
        "additionalProperties"
    ):
        return True
    try:
        return not Draft202012Validator(dict(schema)).is_valid(dict(args))
    except SchemaError:
        return False


def _grounding(draft: Draft, schema: Mapping[str, Any], said: Grounds) -> dict[str, float]:
    required = set(schema.get("required") or ())
    properties: Mapping[str, Any] = schema.get("properties") or {}
    must, may, placeholders, guessed = 0.0, 0.0, 0, 0
    for name, value in draft.args.items():
        about = properties.get(name) or {}
        placeholders += _placeholder(value)
        if value == default_of(about):
            continue  # it would be the same without
        made_up = said.made_up(value)
        if "enum" in about or "enum" in (about.get("items") or {}):
            guessed += made_up > 0.5
        elif name in required:
            must += made_up
        elif isinstance(value, bool):
            may += 0.5 * (not said.mentions(name))
        else:
            may += made_up
    texts = [str(value).lower() for value in draft.args.values() if isinstance(value, str)]
    return {
        "made up": math.log2(1 + must),
        "made up and optional": math.log2(1 + may),
        "guessed choices": math.log2(1 + guessed),
        "placeholders": float(placeholders > 0),
        "said and unused": math.log2(1 + said.unused(draft.args)),
        "one value twice": float(len(set(texts)) < len(texts)),
    }


def _placeholder(value: Any) -> bool:
    return any(
        isinstance(leaf, str) and (not leaf.strip() or leaf.strip().lower() in _PLACEHOLDERS)
        for leaf in leaves(value)
    )


def _margin(name: str, by_name: Mapping[str, Tool], said: Grounds) -> float:
    """Say how much better another tool's words are covered by what was said, 0 to 1."""
    if name not in by_name:
        return 0.0
    shares = {
        other: said.share(f"{other} {tool.get('description') or ''}")
        for other, tool in by_name.items()
    }
    return max(0.0, max(shares.values()) - shares[name])


def _surprise(logprobs: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Sum up how sure the model was of what it wrote, form aside.

    The first token is left out (fence, brace or blank: form), and so is space.
    """
    surprises = list(_content(logprobs))
    worst = max(surprises, default=0.0)
    return {
        "least sure token": min(worst, _MAX_SURPRISE),
        "surprise": math.log2(1 + min(math.fsum(surprises), 4 * _MAX_SURPRISE)),
    }


def _content(logprobs: Sequence[tuple[str, float]]) -> Iterator[float]:
    for token, logprob in logprobs[1:]:
        if token.strip():
            yield max(0.0, -logprob)
