"""Request bodies of the Responses API, made from the same messages and options as the other's.

What a caller binds is in the words of Chat Completions, whichever API a lane speaks: tools,
`tool_choice`, `response_format`, `max_tokens`, `reasoning_effort`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from agentlanes.errors import ConfigError
from agentlanes.lanes.lane import Lane
from agentlanes.lanes.request import NOT_SENT, abilities_at, as_json, wire_messages

__all__ = ["KEPT_KEY", "build_body", "input_items"]

KEPT_KEY = "responses"
"""Where a reply's reasoning items stay in `AIMessage.additional_kwargs`, for later requests."""

_ENCRYPTED = "reasoning.encrypted_content"
_CHAT_ONLY = {
    "stop": "stop sequences",
    "prediction": "predictions",
    "n": "several choices",
    "logit_bias": "a logit bias",
}


def build_body(
    lane: Lane,
    base_url: str,
    messages: Sequence[BaseMessage],
    *,
    stop: Sequence[str] | None,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Make the body of one request.

    The lane's settings come first, then its `extra_body` (in this API's words), then what the call
    itself asks for; a later one wins, and `None` takes a field away. The same arguments give the
    same bytes. Nothing is stored at the endpoint unless the reply is made in the background.

    Args:
        lane: Whose settings to use.
        base_url: Where the request goes.
        messages: The conversation. Reasoning that an earlier reply left in its message is sent
            along, in front of what it led to.
        stop: Sequences that end the reply.
        options: What was bound to the model or given with the call.

    Raises:
        ConfigError: The call asks for something that this API has not.
    """
    able = abilities_at(lane, base_url)
    body: dict[str, Any] = {
        "model": lane.model,
        "input": [],
        "stream": True,
        "store": lane.background,
        "background": lane.background or None,
        "include": None if able.encrypted_reasoning is False else [_ENCRYPTED],
        "temperature": lane.temperature,
        "max_output_tokens": lane.max_tokens,
        "reasoning": _merged(effort=lane.reasoning_effort, summary=lane.reasoning_summary),
        "service_tier": lane.service_tier,
        "prompt_cache_key": lane.prompt_cache_key,
        "prompt_cache_options": lane.prompt_cache_options,
        "priority": lane.priority,
    }
    body.update(lane.extra_body)
    body.update({key: value for key, value in options.items() if key not in NOT_SENT})
    if stop:
        body["stop"] = list(stop)
    for key, what in _CHAT_ONLY.items():
        if body.get(key) is not None:
            raise ConfigError(f'the Responses API has no {what} ({key}); use Lane(api="chat")')
    if "max_tokens" in body:
        body["max_output_tokens"] = body.pop("max_tokens")
    if "reasoning_effort" in body:
        body["reasoning"] = _merged(body.get("reasoning"), effort=body.pop("reasoning_effort"))
    if not body.get("tools"):
        for key in ("tools", "tool_choice", "parallel_tool_calls"):
            body.pop(key, None)
    if lane.tool_format == "json":
        as_json(lane, body, messages)
        body["input"] = [item for wire in body.pop("messages") for item in _items(wire)]
    else:
        body["input"] = input_items(messages)
        _retool(body)
    form = body.pop("response_format", None)
    if form is not None:
        body["text"] = _merged(body.get("text"), format=_format(form))
    if "verbosity" in body:
        body["text"] = _merged(body.get("text"), verbosity=body.pop("verbosity"))
    return {key: value for key, value in body.items() if value is not None}


def input_items(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Write a conversation as input items.

    A reasoning item goes in front of the text or the call that it led to, as the API wants it. One
    whose text or call is no longer in the message is left out: by itself it would be refused.

    Example:
        >>> from langchain_core.messages import HumanMessage, ToolMessage
        >>> input_items([HumanMessage("hi")])
        [{'role': 'user', 'content': 'hi'}]
        >>> input_items([ToolMessage("21", tool_call_id="c1")])
        [{'type': 'function_call_output', 'call_id': 'c1', 'output': '21'}]
    """
    items: list[dict[str, Any]] = []
    for message in messages:
        kept = _kept(message)
        for wire in wire_messages([message]):
            items.extend(_items(wire, kept))
    return items


def _items(wire: Mapping[str, Any], kept: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    role, content = wire["role"], wire.get("content")
    if role == "tool":
        output = content if isinstance(content, str) else _parts(content or [], "input_text")
        return [{"type": "function_call_output", "call_id": wire["tool_call_id"], "output": output}]
    if role != "assistant":
        return [{"role": role, "content": _content(content, "input_text")}]
    kept, items = kept or {}, []
    before: dict[str, list[dict[str, Any]]] = {}
    for entry in kept.get("reasoning") or ():
        before.setdefault(entry["before"], []).append(dict(entry["item"]))
    if content:
        items += before.get("text", [])
        said = {"role": "assistant", "content": _content(content, "output_text")}
        items.append({**said, "phase": kept["phase"]} if kept.get("phase") else said)
    for call in wire.get("tool_calls") or ():
        function = call["function"]
        items += before.get(call["id"], [])
        items.append(
            {
                "type": "function_call",
                "call_id": call["id"],
                "name": function["name"],
                "arguments": function["arguments"],
            }
        )
    return items


def _kept(message: BaseMessage) -> Mapping[str, Any] | None:
    if not isinstance(message, AIMessage):
        return None
    kept = message.additional_kwargs.get(KEPT_KEY)
    return kept if isinstance(kept, Mapping) else None


def _content(content: Any, kind: str) -> Any:
    return _parts(content, kind) if isinstance(content, list) else content or ""


def _parts(parts: Sequence[Any], kind: str) -> list[dict[str, Any]]:
    """Rename the parts of a message; what has no name here is sent as it is."""
    return [_part({"type": "text", "text": p} if isinstance(p, str) else p, kind) for p in parts]


def _part(part: Mapping[str, Any], kind: str) -> dict[str, Any]:
    if part.get("type") == "text":
        return {"type": kind, "text": part.get("text", "")}
    if part.get("type") == "image_url":
        image = part.get("image_url")
        image = image if isinstance(image, Mapping) else {"url": image}
        return {
            "type": "input_image",
            "image_url": image.get("url"),
            "detail": image.get("detail") or "auto",
        }
    if part.get("type") == "file" and isinstance(part.get("file"), Mapping):
        return {"type": "input_file", **part["file"]}
    return dict(part)


def _retool(body: dict[str, Any]) -> None:
    """Write tools and tool choice flat, as this API has them."""
    if body.get("tools"):
        body["tools"] = [_tool(tool) for tool in body["tools"]]
    choice = body.get("tool_choice")
    if isinstance(choice, Mapping) and isinstance(choice.get("function"), Mapping):
        body["tool_choice"] = {"type": "function", "name": choice["function"]["name"]}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    if not isinstance(function, Mapping):
        return dict(tool)  # a tool of the API's own
    # Left out, this API would take a schema as strict, which most tools' schemas are not.
    return {"type": "function", "strict": False, "parameters": {}, **function}


def _format(form: Any) -> Any:
    schema = form.get("json_schema") if isinstance(form, Mapping) else None
    return {"type": "json_schema", **schema} if isinstance(schema, Mapping) else form


def _merged(base: Any = None, **known: Any) -> dict[str, Any] | None:
    merged = dict(base or {})
    merged.update({key: value for key, value in known.items() if value is not None})
    return merged or None
