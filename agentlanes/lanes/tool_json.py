"""Tool calls as JSON objects in plain content, for endpoints whose tool calling is missing or weak.

The model is asked for one JSON object: `{"tool": name, "args": {...}}` to call, or
`{"final_answer": text}` to stop. Without the second member a small model calls for ever. The
tools are described in the system message, so that the prefix stays the same from call to call and
the endpoint's cache holds it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import ToolCall
from langchain_core.utils.json_schema import dereference_refs

from agentlanes.lanes.strict_json import strict_object, unfence

__all__ = ["Offer", "offered", "opened", "parse", "render", "response_format", "section"]

_OPENED = re.compile(r'"(args|final_answer)"\s*:\s*\S')
_MISSING = "(no result)"


@dataclass(frozen=True, slots=True)
class Offer:
    """What the model may reply with.

    Attributes:
        tools: The functions, as the protocol describes them.
        may_finish: Whether it may answer instead of calling.
    """

    tools: tuple[Mapping[str, Any], ...]
    may_finish: bool = True


def offered(tools: Sequence[Mapping[str, Any]], choice: object = None) -> Offer | None:
    """Say what a request with these tools and this tool choice lets the model reply with.

    Returns:
        `None` when there is nothing to call, and the reply is plain text.
    """
    functions = tuple(tool["function"] for tool in tools)
    if choice == "none" or not functions:
        return None
    if isinstance(choice, Mapping):
        name = (choice.get("function") or {}).get("name")
        return Offer(tuple(f for f in functions if f["name"] == name), may_finish=False)
    return Offer(functions, may_finish=choice != "required")


def response_format(offer: Offer) -> dict[str, Any]:
    """Give the JSON schema of the reply: a union over the tools, and the final answer."""
    members = [
        _object({"tool": {"const": tool["name"]}, "args": _parameters(tool)})
        for tool in offer.tools
    ]
    if offer.may_finish:
        members.append(_object({"final_answer": {"type": "string"}}))
    schema = members[0] if len(members) == 1 else {"type": "object", "anyOf": members}
    return {
        "type": "json_schema",
        "json_schema": {"name": "reply", "schema": schema, "strict": False},
    }


def section(offer: Offer, examples: Sequence[tuple[str, Mapping[str, Any]]] = ()) -> str:
    """Write the part of the system message that tells of the tools and the format."""
    lines = ['Reply with one JSON object: {"tool": name, "args": {...}} to use a tool']
    if offer.may_finish:
        lines[0] += ', or {"final_answer": text} when nothing more is to be done'
    lines[0] += "."
    lines.append("Tools:")
    lines += [_signature(tool) for tool in offer.tools]
    if examples:
        lines.append("Examples:")
        lines += [f"{request}\n{_json(reply)}" for request, reply in examples]
    return "\n".join(lines)


def render(wire: Sequence[Mapping[str, Any]], head: str | None) -> list[dict[str, Any]]:
    """Rewrite a conversation so that it holds no native tool calls.

    A call becomes an assistant message in the reply format, its result a user message. Neighbours
    of the same role are joined, because some chat templates insist on taking turns.

    Args:
        wire: Messages of the protocol.
        head: What to add to the system message; prior answers then take the reply format too.
    """
    names: dict[str, str] = {}
    results = {m["tool_call_id"]: m for m in wire if m["role"] == "tool"}
    flat: list[dict[str, Any]] = []
    for message in wire:
        role, content = message["role"], message.get("content") or ""
        if role == "assistant":
            calls = message.get("tool_calls") or ()
            for call in calls:
                function = call["function"]
                names[call["id"]] = function["name"]
                said = {"tool": function["name"], "args": json.loads(function["arguments"])}
                flat.append({"role": "assistant", "content": _json(said)})
                result = results.get(call["id"])
                text = _MISSING if result is None else result.get("content") or ""
                flat.append(
                    {"role": "user", "content": _joined(f"Result of {function['name']}: ", text)}
                )
            if not calls:
                text = content if head is None else _json({"final_answer": content})
                flat.append({"role": "assistant", "content": text})
        elif role == "tool":
            if message["tool_call_id"] not in names:
                flat.append({"role": "user", "content": _joined("Result: ", content)})
        else:
            flat.append({**message, "content": content})
    return _taking_turns(_headed(flat, head))


def parse(text: str) -> ToolCall | str:
    """Read a reply: a call, or the final answer.

    Raises:
        ValueError: It is neither; says why.

    Example:
        >>> parse('{"final_answer": "done"}')
        'done'
    """
    reply = strict_object(unfence(text))
    if reply.keys() == {"final_answer"} and isinstance(reply["final_answer"], str):
        return reply["final_answer"]
    if (
        reply.keys() == {"tool", "args"}
        and isinstance(reply["tool"], str)
        and isinstance(reply["args"], dict)
    ):
        return ToolCall(name=reply["tool"], args=reply["args"], id="call_0", type="tool_call")
    raise ValueError(
        'the object is neither {"tool": name, "args": {...}} nor {"final_answer": text}'
    )


def opened(text: str) -> str | None:
    """Say whether a reply in the making has come to its arguments or its answer.

    Returns:
        `"args"`, `"final_answer"`, or `None` when it has come to neither yet.
    """
    found = _OPENED.search(text)
    return found.group(1) if found else None


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _parameters(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Give a tool's schema with nothing referred to, so that it can stand inside another one."""
    schema = dict(tool.get("parameters") or {"type": "object", "properties": {}})
    if "$defs" in schema or "definitions" in schema:
        schema = dereference_refs(schema)
        schema.pop("$defs", None)
        schema.pop("definitions", None)
    return schema


def _signature(tool: Mapping[str, Any]) -> str:
    schema = _parameters(tool)
    required = set(schema.get("required") or ())
    shown = [
        f"{name}{'' if name in required else '?'}: {_kind(kind)}"
        for name, kind in (schema.get("properties") or {}).items()
    ]
    about = " ".join(str(tool.get("description") or "").split())
    return f"- {tool['name']}({', '.join(shown)}){': ' + about if about else ''}"


def _kind(schema: object) -> str:
    if not isinstance(schema, Mapping):
        return "any"
    if "enum" in schema:
        text = " | ".join(_json(value) for value in schema["enum"])
    elif "const" in schema:
        text = _json(schema["const"])
    elif "anyOf" in schema or "oneOf" in schema:
        members = schema.get("anyOf") or schema.get("oneOf") or ()
        text = " | ".join(_kind(member) for member in members)
    elif schema.get("type") == "array":
        text = f"{_kind(schema.get('items'))}[]"
    else:
        text = str(schema.get("type") or "any")
    about = " ".join(str(schema.get("description") or "").split())
    return f"{text} ({about})" if about else text


def _headed(messages: list[dict[str, Any]], head: str | None) -> list[dict[str, Any]]:
    if head is None:
        return messages
    for at, message in enumerate(messages):
        if message["role"] in ("system", "developer"):
            joined = {**message, "content": _joined(message["content"], f"\n\n{head}")}
            return [*messages[:at], joined, *messages[at + 1 :]]
    return [{"role": "system", "content": head}, *messages]


def _taking_turns(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for message in messages:
        last = turns[-1] if turns else None
        if last and last["role"] == message["role"] == "user":
            text = _joined(_joined(last["content"], "\n\n"), message["content"])
            turns[-1] = {**last, "content": text}
        else:
            turns.append(message)
    return turns


def _joined(left: Any, right: Any) -> Any:
    """Join two contents, either of which may be a list of parts."""
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    return [*_parts(left), *_parts(right)]


def _parts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
