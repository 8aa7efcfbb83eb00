"""References of a plan's arguments to results of its earlier steps. Pure functions, no I/O.

`{"$step": 2, "$path": "items.0.id"}` stands for the value at that path of what step 2 gave, steps
counted from 1. It may be an argument, or stand inside one: in a list, in an object.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

__all__ = [
    "Missing",
    "agrees",
    "renumbered",
    "resolve",
    "sources",
    "with_references",
    "written",
]

_REFERENCE: dict[str, Any] = {
    "type": "object",
    "properties": {"$step": {"type": "integer"}, "$path": {"type": "string"}},
    "required": ["$step"],
    "additionalProperties": False,
}


class Missing(LookupError):
    """A reference finds nothing."""


def sources(value: Any) -> Iterator[Any]:
    """Give the numbers of the steps that a value refers to.

    Example:
        >>> [*sources([{"$step": 2, "$path": "a"}, 7, {"b": {"$step": 1}}])]
        [2, 1]
    """
    if _refers(value):
        yield value["$step"]
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from sources(inner)


def resolve(
    value: Any, results: Sequence[str | None], schema: Mapping[str, Any] | None = None
) -> Any:
    """Replace references by what they refer to.

    Args:
        value: An argument.
        results: Results of the plan's steps, in order, as the tools gave them; `None` is not
            there yet.
        schema: JSON schema of the argument. A number that is referred to is written out where
            it asks for text.

    Raises:
        Missing: A reference finds nothing.

    Example:
        >>> resolve([{"$step": 1, "$path": "n"}, 2], ['{"n": 9}'])
        [9, 2]
        >>> resolve({"$step": 1, "$path": "n"}, ['{"n": 6500.0}'], {"type": "string"})
        '6500'
    """
    schema = schema if isinstance(schema, Mapping) else {}
    if _refers(value):
        found = _look_up(value, results)
        return written(found) if _is_number(found) and schema.get("type") == "string" else found
    if isinstance(value, list):
        return [resolve(one, results, schema.get("items")) for one in value]
    if isinstance(value, Mapping):
        inner = schema.get("properties") or {}
        return {key: resolve(one, results, inner.get(key)) for key, one in value.items()}
    return value


def agrees(given: Any, planned: Any, results: Sequence[str | None]) -> bool:
    """Say whether a value is what a plan has in its place.

    Raises:
        Missing: A reference finds nothing.

    Example:
        >>> agrees(["9"], [{"$step": 1, "$path": "n"}], ['{"n": 9}'])
        True
        >>> agrees("9", 9, [])
        False
    """
    if _refers(planned):
        found = _look_up(planned, results)
        return _same(given, found) or (_is_number(found) and given == written(found))
    if isinstance(planned, list) and isinstance(given, list) and len(planned) == len(given):
        return all(agrees(g, p, results) for g, p in zip(given, planned, strict=True))
    both = isinstance(planned, Mapping) and isinstance(given, Mapping)
    if both and planned.keys() == given.keys():
        return all(agrees(given[key], planned[key], results) for key in planned)
    return _same(given, planned)


def written(number: float) -> str:
    """Write a number as text: a whole one without a fraction, as RFC 8785 has it.

    Example:
        >>> written(6500.0), written(0.5)
        ('6500', '0.5')
    """
    whole = isinstance(number, float) and number.is_integer() and abs(number) < 1e21
    return str(int(number)) if whole else str(number)


def renumbered(value: Any, number: Callable[[Any], Any]) -> Any:
    """Give a value with its references' step numbers replaced."""
    if _refers(value):
        return {**value, "$step": number(value["$step"])}
    if isinstance(value, list):
        return [renumbered(one, number) for one in value]
    if isinstance(value, Mapping):
        return {key: renumbered(one, number) for key, one in value.items()}
    return value


def with_references(schema: Any, root: Mapping[str, Any], depth: int = 8) -> dict[str, Any]:
    """Give a JSON schema that takes a value, or references in its place or inside it.

    Args:
        schema: Schema of the value.
        root: Schema that holds it, for what it refers to by `$ref`.
        depth: How deeply schemas are followed.
    """
    return {"anyOf": [_open(_inline(schema, root, depth)), _REFERENCE]}


def _open(schema: Any) -> Any:
    """Let references stand for the parts of what a schema describes."""
    if not isinstance(schema, Mapping):
        return schema
    opened = dict(schema)
    if isinstance(schema.get("items"), Mapping):
        opened["items"] = {"anyOf": [_open(schema["items"]), _REFERENCE]}
    if isinstance(schema.get("properties"), Mapping):
        opened["properties"] = {
            key: {"anyOf": [_open(one), _REFERENCE]} for key, one in schema["properties"].items()
        }
    return opened


def _inline(schema: Any, root: Mapping[str, Any], depth: int) -> Any:
    """Replace `$ref` by what it refers to, so that a part of a schema can stand elsewhere."""
    if isinstance(schema, Mapping):
        ref = schema.get("$ref")
        if isinstance(ref, str) and ref.startswith("#/") and depth:
            target: Any = root
            for part in ref[2:].split("/"):
                target = target.get(part, {})
            return _inline(target, root, depth - 1)
        return {k: _inline(v, root, depth) for k, v in schema.items()}
    if isinstance(schema, list):
        return [_inline(item, root, depth) for item in schema]
    return schema


def _refers(value: Any) -> bool:
    return isinstance(value, Mapping) and "$step" in value


def _look_up(reference: Mapping[str, Any], results: Sequence[str | None]) -> Any:
    index = reference["$step"]
    if not isinstance(index, int) or not 1 <= index <= len(results):
        raise Missing(f"there is no step {index!r}")
    result = results[index - 1]
    if result is None:
        raise Missing(f"step {index} has given nothing yet")
    try:
        value: Any = json.loads(result)
    except ValueError:
        value = result
    for part in str(reference.get("$path") or "").split("."):
        if not part:
            continue
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise Missing(f"step {index} gave no {reference['$path']!r}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(one: Any, other: Any) -> bool:
    return _json(one) == _json(other)


_json = json.JSONEncoder(sort_keys=True, ensure_ascii=False, default=str).encode
