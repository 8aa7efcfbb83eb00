"""JSON as models must write it: one value, no duplicate keys, no NaN, bounded."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

__all__ = ["MAX_BYTES", "MAX_DEPTH", "strict_object", "unfence"]

MAX_BYTES = 256 * 1024
"""Longest JSON text that is read, in bytes of UTF-8."""

MAX_DEPTH = 64
"""Deepest nesting that is read."""

_FENCE = re.compile(r"\A\s*```[A-Za-z]*[ \t]*\r?\n(.*?)\r?\n?[ \t]*```\s*\Z", re.DOTALL)


def strict_object(text: str) -> dict[str, Any]:
    """Read a JSON object, and refuse what a lenient reader would guess at.

    A key given twice, `NaN` and `Infinity`, anything after the object, a value that is no object,
    more than `MAX_DEPTH` levels and more than `MAX_BYTES` are refused: a call must never run with
    arguments that another reader would have read differently.

    Raises:
        ValueError: Says what is wrong with the text.

    Example:
        >>> strict_object('{"city": "Paris"}')
        {'city': 'Paris'}
        >>> strict_object('{"a": 1, "a": 2}')
        Traceback (most recent call last):
        ...
        ValueError: the key 'a' is given twice
    """
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise ValueError(f"the JSON is longer than {MAX_BYTES // 1024} KiB")
    try:
        if text.startswith("\ufeff"):
            raise ValueError("the JSON begins with a byte order mark")
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError(f"the JSON is nested deeper than {MAX_DEPTH} levels") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("the JSON is no object")
    _check_depth(value)
    return value


def unfence(text: str) -> str:
    """Take away a Markdown code fence that wraps the whole text, and outer white space."""
    fenced = _FENCE.match(text)
    return (fenced.group(1) if fenced else text).strip()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} is given twice")
        found[key] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def _check_depth(value: Any) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return
    raise ValueError(f"the JSON is nested deeper than {MAX_DEPTH} levels")
