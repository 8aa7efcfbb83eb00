"""A scripted model that does what any chat model can be expected to: it calls the tools it is
offered, with arguments made from their schemas and the request, and answers in the format that is
asked for. It knows nothing of the tests that use it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from agentlanes.testing import Reply

_QUOTED = re.compile(r"'([^']+)'|\"([^\"]+)\"")
_NUMBER = re.compile(r"-?\d+")


def eager(body: dict[str, Any]) -> Reply:
    """Answer a request."""
    asked = _text(_last(body, "user"))
    tools = {tool["function"]["name"]: tool["function"] for tool in body.get("tools") or ()}
    choice = body.get("tool_choice", "auto")
    if tools and choice != "none" and (choice != "auto" or body["messages"][-1]["role"] == "user"):
        named = choice["function"]["name"] if isinstance(choice, dict) else None
        tool = tools[named] if named else _fitting(tools, asked)
        made = _fill(tool.get("parameters") or {}, asked)
        return Reply(tool_calls=[(tool["name"], made)])
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return _until(body, json.dumps(_fill(wanted["json_schema"]["schema"], asked)))
    if wanted.get("type") == "json_object":
        names = [one or two for one, two in _QUOTED.findall(asked)]
        return _until(body, json.dumps(dict.fromkeys(names, "something")))
    thought = "They greet me." if body.get("reasoning_effort") else None
    return replace(_until(body, f"Hello you! You said: {asked}"), reasoning=thought)


def _fitting(tools: dict[str, Any], asked: str) -> Any:
    """Choose the tool that the request names, else the one with most words in common."""
    words = set(re.findall(r"[a-z]+", asked.lower()))

    def common(name: str) -> tuple[bool, int]:
        return name in asked, len(words & set(re.findall(r"[a-z]+", name.lower())))

    return tools[max(tools, key=common)]


def _fill(schema: dict[str, Any], asked: str) -> Any:
    """Make a value that a schema accepts, from what is in the request."""
    numbers = iter(_NUMBER.findall(asked))
    texts = iter([one or two for one, two in _QUOTED.findall(asked)])
    return _value(schema, schema.get("$defs") or schema.get("definitions") or {}, numbers, texts)


def _value(
    schema: dict[str, Any], defs: dict[str, Any], numbers: Iterator[str], texts: Iterator[str]
) -> Any:
    if "$ref" in schema:
        return _value(defs[schema["$ref"].rpartition("/")[2]], defs, numbers, texts)
    if "enum" in schema:
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return _value(schema[key][0], defs, numbers, texts)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if kind == "object":
        needed = schema.get("required", [])
        return {
            name: _value(inner, defs, numbers, texts)
            for name, inner in (schema.get("properties") or {}).items()
            if name in needed
        }
    if kind == "array":
        return [_value(schema.get("items") or {}, defs, numbers, texts)]
    if kind in ("integer", "number"):
        return int(next(numbers, "1"))
    if kind == "boolean":
        return True
    return None if kind == "null" else next(texts, "something")


def _until(body: dict[str, Any], text: str) -> Reply:
    """Say a text, as far as its stop sequences and its token limit let it."""
    for stop in body.get("stop") or ():
        text = text.partition(stop)[0]
    return Reply(content=text)


def _last(body: dict[str, Any], role: str) -> dict[str, Any]:
    return next((m for m in reversed(body["messages"]) if m["role"] == role), {})


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content)
