"""Values that fit a JSON schema, made from the words of a request. Pure.

Good enough to call a tool with: a quoted text, a proper name or a number of the request goes where
the schema wants a text or a number. Only what schemas of tools use is understood.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Words", "sample"]

_QUOTED = re.compile(r"\"([^\"]{1,200})\"|'([^'\n]{1,200})'(?!\w)|`([^`]{1,200})`")
_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-ZÀ-Þ][\w-]+(?:\s+[A-ZÀ-Þ][\w-]+)*")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_DEPTH = 8


@dataclass(slots=True)
class Words:
    """What a request holds that could be an argument.

    Attributes:
        text: The request.
        texts: Quoted texts, then proper names, in the order they come; each is used once.
        numbers: Numbers, likewise.

    Example:
        >>> Words.of('Send "hello" to Ada 3 times').texts
        ['hello', 'Ada']
    """

    text: str
    texts: list[str] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, text: str) -> Words:
        """Find them in a text."""
        quoted = [next(filter(None, found)) for found in _QUOTED.findall(text)]
        bare = _QUOTED.sub(" ", text)
        names = [name for name in _NAME.findall(bare) if name not in quoted]
        return cls(text, quoted + names, [float(n) for n in _NUMBER.findall(bare)])

    def next_text(self) -> str:
        """Give the next text, or the whole request when all are used."""
        return self.texts.pop(0) if self.texts else " ".join(self.text.split())[:200]

    def next_number(self) -> float | None:
        """Give the next number, if one is left."""
        return self.numbers.pop(0) if self.numbers else None


def sample(schema: Any, words: Words, root: Mapping[str, Any] | None = None, depth: int = 0) -> Any:
    """Give a value that fits a schema.

    Args:
        schema: The schema.
        words: What to make it from; what is used is taken out.
        root: The schema that references refer to; this one by default.
        depth: How deep this value lies.

    Example:
        >>> city = {"type": "object", "properties": {"city": {"type": "string"}},
        ...         "required": ["city"]}
        >>> sample(city, Words.of("How warm is it in Paris?"))
        {'city': 'Paris'}
    """
    if not isinstance(schema, Mapping) or depth > _DEPTH:
        return None
    root = schema if root is None else root
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return _named(schema["enum"], words)
    if schema.get("examples"):
        return schema["examples"][0]
    if "$ref" in schema:
        return sample(_referred(schema["$ref"], root), words, root, depth + 1)
    members = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if members and "properties" not in schema:
        real = [m for m in members if not (isinstance(m, Mapping) and m.get("type") == "null")]
        return sample((real or members)[0], words, root, depth + 1)
    return _of_type(schema, words, root, depth)


def _of_type(schema: Mapping[str, Any], words: Words, root: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    kind = next((k for k in kind if k != "null"), "null") if isinstance(kind, list) else kind
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties") or {}
        wanted = schema.get("required") or ()
        return {
            name: sample(properties.get(name, {}), words, root, depth + 1)
            for name in [*properties, *(n for n in wanted if n not in properties)]
            if name in wanted
        }
    if kind == "array":
        count = max(int(schema.get("minItems") or 0), 0)
        return [sample(schema.get("items"), words, root, depth + 1) for _ in range(min(count, 8))]
    if kind in ("integer", "number"):
        return _number(schema, words, whole=kind == "integer")
    if kind == "boolean":
        return True
    if kind == "string":
        text = words.next_text()
        return text[: schema["maxLength"]] if isinstance(schema.get("maxLength"), int) else text
    return None if kind == "null" else words.next_text()


def _number(schema: Mapping[str, Any], words: Words, *, whole: bool) -> float | int:
    low, high = schema.get("minimum"), schema.get("maximum")
    value = words.next_number()
    if value is None:
        value = low if low is not None else 1
    if low is not None:
        value = max(value, low)
    if high is not None:
        value = min(value, high)
    return int(value) if whole or float(value).is_integer() else value


def _named(values: Sequence[Any], words: Words) -> Any:
    """Give the value that the request names, or the first."""
    said = words.text.lower()
    return next((v for v in values if isinstance(v, str) and v.lower() in said), values[0])


def _referred(reference: Any, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for step in str(reference).removeprefix("#/").split("/"):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found
