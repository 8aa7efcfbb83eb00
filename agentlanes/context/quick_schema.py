"""Saying quickly that a value fits a JSON schema, where that is plain to see.

jsonschema walks a schema anew for each value, which takes longer than all else that is done with
a verdict. Nearly every value fits, and nearly every schema of a tool is made of a few keywords, so
those are turned into closures once. A closure says yes only where jsonschema would; for anything
else (a keyword that is not known here, a value that does not fit) the one who asks goes to
jsonschema, which also says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["Fits", "quick_check"]

Fits = Callable[[Any], bool]

_SAYS_NOTHING = frozenset({"title", "description", "default", "examples", "$comment", "deprecated"})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: Mapping[str, Fits] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": _is_number,
    # 1.0 is an integer too, which the one who asks will hear from jsonschema.
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
}


def quick_check(schema: Any) -> Fits | None:
    """Turn a schema (draft 2020-12) into a function that says yes where a value surely fits.

    Returns:
        The function; `None` for a schema with keywords that are not known here. A no means that
        jsonschema is to be asked.

    Example:
        >>> fits = quick_check({"type": "object", "properties": {"n": {"type": "integer"}}})
        >>> fits({"n": 1}), fits({"n": "one"})
        (True, False)
        >>> quick_check({"type": "string", "pattern": "^a"}) is None
        True
    """
    if schema is True:
        return lambda value: True
    if not isinstance(schema, Mapping):
        return None
    tests: list[Fits] = []
    for keyword, given in schema.items():
        if keyword in _SAYS_NOTHING or keyword == "additionalProperties":
            continue
        make = _MAKERS.get(keyword)
        test = make(given, schema) if make is not None else None
        if test is None:
            return None
        tests.append(test)
    if "additionalProperties" in schema and "properties" not in schema:
        return None
    if len(tests) == 1:
        return tests[0]
    return lambda value: all(test(value) for test in tests)


def _type(given: Any, schema: Mapping[str, Any]) -> Fits | None:
    return _TYPES.get(given) if isinstance(given, str) else None


def _enum(given: Any, schema: Mapping[str, Any]) -> Fits | None:
    # Texts alone: 1, 1.0 and True are told apart by JSON and not by Python.
    if not isinstance(given, Sequence) or not all(isinstance(one, str) for one in given):
        return None
    allowed = frozenset(given)
    return lambda value: isinstance(value, str) and value in allowed


def _const(given: Any, schema: Mapping[str, Any]) -> Fits | None:
    return _enum([given], schema)


def _required(given: Any, schema: Mapping[str, Any]) -> Fits | None:
    names = tuple(given)
    return lambda value: not isinstance(value, dict) or all(name in value for name in names)


def _properties(given: Any, schema: Mapping[str, Any]) -> Fits | None:
    known = {name: quick_check(inner) for name, inner in given.items()}
    rest = quick_check(schema.get("additionalProperties", True))
    if schema.get("additionalProperties") is False:
        rest = _never
    tests = {name: test for name, test in known.items() if test is not None}
    if rest is None or len(tests) < len(known):
        return None
    others = rest

    def fits(value: Any) -> bool:
        if not isinstance(value, dict):
            return True
        return all(tests.get(name, others)(inner) for name, inner in value.items())

    return fits


def _items(given: Any, schema: Mapping[str, Any]) -> Fits | None:
    test = quick_check(given)
    if test is None:
        return None
    each = test
    return lambda value: not isinstance(value, list) or all(each(one) for one in value)


def _any_of(given: Any, schema: Mapping[str, Any]) -> Fits | None:
    tests = [test for test in map(quick_check, given) if test is not None]
    if len(tests) < len(given):
        return None
    return lambda value: any(test(value) for test in tests)


def _never(value: Any) -> bool:
    return False


_MAKERS: Mapping[str, Callable[[Any, Mapping[str, Any]], Fits | None]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "required": _required,
    "properties": _properties,
    "items": _items,
    "anyOf": _any_of,
}
