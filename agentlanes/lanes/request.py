"""Request bodies, made from langchain messages and what is bound to the model. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from langchain_core.messages import BaseMessage
from langchain_core.messages.utils import convert_to_openai_messages

from agentlanes.lanes import tool_json
from agentlanes.lanes.abilities import Abilities, abilities_of
from agentlanes.lanes.lane import Lane

__all__ = [
    "DRAFT_KEY",
    "NOT_SENT",
    "OPENAI_URL",
    "abilities_at",
    "as_json",
    "build_body",
    "is_openai",
    "parameterless",
    "read_tool_choice",
    "wire_messages",
]

OPENAI_URL = "https://api.openai.com/v1"

DRAFT_KEY = "draft_answer"
"""An option that holds the draft of the reply; sent by lanes with `prediction` only."""

NOT_SENT = frozenset({"stream", DRAFT_KEY})
"""Options that are no fields of a request: `stream` is langchain's word for its own API."""


def build_body(
    lane: Lane,
    base_url: str,
    messages: Sequence[BaseMessage],
    *,
    stop: Sequence[str] | None,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Make the body of one request.

    The lane's settings come first, then its `extra_body`, then what the call itself asks for; a
    later one wins, and `None` takes a field away. The same arguments give the same bytes.

    Args:
        lane: Whose settings to use.
        base_url: Where the request goes; OpenAI's own address needs no `server="openai"`.
        messages: The conversation.
        stop: Sequences that end the reply.
        options: What was bound to the model or given with the call.
    """
    able = abilities_at(lane, base_url)
    cap = able.cap
    body: dict[str, Any] = {
        "model": lane.model,
        "messages": [],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": lane.temperature,
        cap: lane.max_tokens,
        "reasoning_effort": lane.reasoning_effort,
        "service_tier": lane.service_tier,
        "prompt_cache_key": lane.prompt_cache_key,
        "prompt_cache_options": lane.prompt_cache_options,
        "priority": lane.priority,
    }
    body.update(lane.extra_body)
    for key, value in options.items():
        if key not in NOT_SENT:
            body[cap if key == "max_tokens" else key] = value
    if stop:
        body["stop"] = list(stop)
    if lane.prediction and options.get(DRAFT_KEY):
        body["prediction"] = {"type": "content", "content": options[DRAFT_KEY]}
    if body.get("prediction") and able.prediction_capped is False:
        body.pop(cap, None)
    if not body.get("tools"):
        for key in ("tools", "tool_choice", "parallel_tool_calls"):
            body.pop(key, None)
    if lane.tool_format == "json":
        as_json(lane, body, messages)
    else:
        body["messages"] = wire_messages(messages)
    if not body.get("stream"):
        body.pop("stream_options", None)
    return {key: value for key, value in body.items() if value is not None}


def abilities_at(lane: Lane, base_url: str) -> Abilities:
    """Give what is declared of a lane's server, or known because the address is OpenAI's own."""
    server = lane.server or ("openai" if is_openai(base_url) else None)
    return abilities_of(server)


def is_openai(base_url: str) -> bool:
    """Tell whether a URL is OpenAI's own endpoint."""
    host = urlsplit(base_url).hostname or ""
    return host == "api.openai.com" or host.endswith(".api.openai.com")


def parameterless(tools: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Give the names of the tools that have no parameters: empty text may stand for `{}` there.

    Elsewhere empty text may as well be arguments that were cut off before they began.
    """
    functions = [tool.get("function") or {} for tool in tools]
    return frozenset(
        str(function.get("name"))
        for function in functions
        if not _takes_any(function.get("parameters") or {})
    )


def _takes_any(parameters: Mapping[str, Any]) -> bool:
    """Say whether a JSON schema of arguments names any. One without a word of them names none."""
    holds = ("properties", "required", "patternProperties", "anyOf", "oneOf", "allOf", "$ref")
    more = parameters.get("additionalProperties")
    return any(parameters.get(key) for key in holds) or isinstance(more, Mapping)


def read_tool_choice(choice: object) -> object:
    """Turn langchain's words for a tool choice into the protocol's.

    Example:
        >>> read_tool_choice("any")
        'required'
        >>> read_tool_choice("get_weather")
        {'type': 'function', 'function': {'name': 'get_weather'}}
    """
    if choice is True or choice == "any":
        return "required"
    if isinstance(choice, str) and choice not in ("auto", "none", "required"):
        return {"type": "function", "function": {"name": choice}}
    return choice or None


def as_json(lane: Lane, body: dict[str, Any], messages: Sequence[BaseMessage]) -> None:
    """Give a body its messages in the JSON tool format, in place of tools and tool choice."""
    tools, choice = body.pop("tools", None), body.pop("tool_choice", None)
    body.pop("parallel_tool_calls", None)
    offered = tool_json.offered(tools or (), choice)
    section = tool_json.section(offered, lane.examples) if offered else None
    body["messages"] = tool_json.render(wire_messages(messages), section)
    if offered and lane.structured == "json_schema":
        body.setdefault("response_format", tool_json.response_format(offered))


def wire_messages(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Write messages as Chat Completions has them."""
    wire = convert_to_openai_messages(list(messages))
    for message in wire:
        if message["role"] == "tool":
            message.pop("name", None)  # no field of the protocol; some endpoints refuse it
    return wire
