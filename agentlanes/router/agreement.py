"""Whether two models want the same call: a comparison that sees through the way it is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agentlanes.router.grounding import default_of

__all__ = ["difference"]


def difference(
    one: tuple[str, Mapping[str, Any]],
    other: tuple[str, Mapping[str, Any]],
    schema: Mapping[str, Any],
) -> float:
    """Say how far two calls are apart: 0 the same call, 1 another tool or nothing in common.

    Texts are compared without case, spaces and punctuation, numbers by value, dates by their
    parts, lists in order; an argument that is left out has its default.

    Args:
        one: Tool and arguments.
        other: Tool and arguments.
        schema: JSON schema of the first one's arguments.

    Returns:
        1 for another tool, else the share of arguments that differ, at least one half if any does.

    Example:
        >>> schema = {"properties": {"unit": {"type": "string", "default": "C"}}}
        >>> difference(("f", {"city": "Ha Noi"}), ("f", {"city": "hanoi", "unit": "C"}), schema)
        0.0
    """
    if one[0] != other[0]:
        return 1.0
    properties = schema.get("properties") or {}
    names = sorted(one[1].keys() | other[1].keys())
    apart = 0
    for name in names:
        default = default_of(properties.get(name) or {})
        mine, theirs = (args.get(name, default) for args in (one[1], other[1]))
        apart += not _same(mine, theirs)
    return 0.5 + 0.5 * apart / len(names) if apart else 0.0


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    return _plain(one) == _plain(other)


def _plain(value: Any) -> str:
    """Write a value without case, spaces, punctuation, and zeros that lead a date's parts."""
    text = str(value).lower()
    if re.fullmatch(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}", text):
        return "-".join(sorted(str(int(part)) for part in re.findall(r"\d+", text)))
    return re.sub(r"[\W_]+", "", text)
