"""What a script answers, and how that looks in the Chat Completions protocol."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentlanes.testing.faults import Fault
from agentlanes.testing.latency import LatencySource, request_digest

__all__ = [
    "Reply",
    "completion",
    "count_tokens",
    "error_body",
    "split_text",
    "stream_chunks",
    "usage_of",
    "wire_calls",
]

_TOKEN_CHARS = 4
_MAX_PIECES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer of a scripted endpoint.

    Attributes:
        content: The text.
        reasoning: Thinking, sent as `reasoning_content` before the text.
        tool_calls: Pairs of name and arguments. A mapping is sent as JSON; a string is sent as it
            is, well-formed or not.
        refusal: What the model says instead of an answer.
        finish_reason: `tool_calls` or `stop` unless given; `"none"` sends none.
        status: HTTP status; anything but 200 sends an error body instead of an answer.
        error: The error's message, or the whole `error` object. With status 200 it is sent as an
            error in the body, or as an error event in a stream.
        usage: The `usage` object; estimated at four characters a token unless given.
        model: The model that is named as having answered; the one asked for unless given.
        service_tier: The tier that is named as having answered.
        reports: Further fields of the answer, such as llama.cpp's `timings` or vLLM's `metrics`.
        headers: Sent along.
        latency: Overrides the server's latency for this answer.
        fault: What goes wrong with this answer.

    Example:
        >>> Reply(tool_calls=[("get_weather", {"city": "Paris"})]).tokens
        8
    """

    content: str | None = None
    reasoning: str | None = None
    tool_calls: Sequence[tuple[str, Mapping[str, Any] | str]] = ()
    refusal: str | None = None
    finish_reason: str | None = None
    status: int = 200
    error: str | Mapping[str, Any] | None = None
    usage: Mapping[str, Any] | None = None
    model: str | None = None
    service_tier: str | None = None
    reports: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    latency: LatencySource | None = None
    fault: Fault | None = None

    @property
    def calls(self) -> list[tuple[str, str]]:
        """The tool calls with their arguments as they are sent."""
        return [
            (name, args if isinstance(args, str) else json.dumps(dict(args), ensure_ascii=False))
            for name, args in self.tool_calls
        ]

    @property
    def tokens(self) -> int:
        """Tokens of the whole answer, estimated."""
        spoken = count_tokens(self.reasoning or "") + count_tokens(self.content or "")
        return spoken + sum(count_tokens(name) + count_tokens(args) for name, args in self.calls)

    @property
    def finished_by(self) -> str:
        """The finish reason that is sent."""
        return self.finish_reason or ("tool_calls" if self.tool_calls else "stop")


def count_tokens(text: str) -> int:
    """Estimate a text's tokens at four characters each."""
    return math.ceil(len(text) / _TOKEN_CHARS)


def split_text(text: str, at_least: int = 1) -> list[str]:
    """Cut a text into the pieces that a stream sends: a token each, or more in a long text.

    Args:
        text: What to cut; the pieces joined are the text.
        at_least: Make this many pieces if the text has as many characters.
    """
    size = max(_TOKEN_CHARS, math.ceil(len(text) / _MAX_PIECES))
    size = max(1, min(size, len(text) // at_least))
    return [text[start : start + size] for start in range(0, len(text), size)]


def error_body(message: str, *, kind: str, code: str | None = None) -> dict[str, Any]:
    """Make the body of an error in OpenAI's form."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _frame(reply: Reply, body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    frame: dict[str, Any] = {
        "id": f"chatcmpl-{request_digest(body).hex()[:24]}",
        "object": kind,
        "created": int(time.time()),
        "model": reply.model or body["model"],
    }
    if reply.service_tier is not None:
        frame["service_tier"] = reply.service_tier
    return frame


def usage_of(reply: Reply, body: Mapping[str, Any]) -> dict[str, Any]:
    """Give the `usage` object of a reply, estimated unless the reply has one."""
    if reply.usage is not None:
        return dict(reply.usage)
    shown = {key: body[key] for key in ("messages", "input", "tools") if key in body}
    prompt = count_tokens(json.dumps(shown, ensure_ascii=False))
    return {
        "prompt_tokens": prompt,
        "completion_tokens": reply.tokens,
        "total_tokens": prompt + reply.tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": count_tokens(reply.reasoning or "")},
    }


def wire_calls(reply: Reply, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give a reply's calls as Chat Completions has them, each with an id."""
    # Ids come from the request, so that an endpoint stays a function of its request.
    stem = request_digest(body, seed=1).hex()[:20]
    return [
        {
            "id": f"call_{stem}_{index}",
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        for index, (name, arguments) in enumerate(reply.calls)
    ]


def completion(reply: Reply, body: Mapping[str, Any], *, finish: bool = True) -> dict[str, Any]:
    """Render a reply that is not streamed.

    Args:
        reply: The reply.
        body: The request it answers.
        finish: Whether the choice has its finish reason.
    """
    message: dict[str, Any] = {
        "role": "assistant",
        "content": reply.content,
        "refusal": reply.refusal,
    }
    if reply.reasoning is not None:
        message["reasoning_content"] = reply.reasoning
    if reply.tool_calls:
        message["tool_calls"] = wire_calls(reply, body)
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": reply.finished_by if finish and reply.finished_by != "none" else None,
    }
    frame = _frame(reply, body, "chat.completion")
    return {**frame, "choices": [choice], "usage": usage_of(reply, body), **reply.reports}


def stream_chunks(
    reply: Reply, body: Mapping[str, Any], *, finish: bool = True
) -> Iterator[tuple[int | None, dict[str, Any]]]:
    """Render a reply as the chunks of a stream.

    Args:
        reply: The reply.
        body: The request it answers.
        finish: Whether there is a chunk with the finish reason.

    Yields:
        Which token of the reply completes the chunk, from 1, or `None` for what belongs to the
        reply's end; and the chunk.
    """
    frame = _frame(reply, body, "chat.completion.chunk")
    sent = 0

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**frame, "choices": [choice]}

    def pieces(text: str, at_least: int = 1) -> Iterator[tuple[int, str]]:
        nonlocal sent
        start, chars = sent, 0
        for piece in split_text(text, at_least):
            chars += len(piece)
            sent = start + math.ceil(chars / _TOKEN_CHARS)
            yield sent, piece

    yield 1, chunk({"role": "assistant", "content": ""})
    texts = {
        "reasoning_content": reply.reasoning,
        "content": reply.content,
        "refusal": reply.refusal,
    }
    for key, text in texts.items():
        for token, piece in pieces(text or ""):
            yield token, chunk({key: piece})
    for index, call in enumerate(wire_calls(reply, body)):
        function = call["function"]
        sent += count_tokens(function["name"])
        opening = {**call, "index": index, "function": {"name": function["name"], "arguments": ""}}
        yield sent, chunk({"tool_calls": [opening]})
        for token, piece in pieces(function["arguments"], at_least=3):
            part = {"index": index, "function": {"arguments": piece}}
            yield token, chunk({"tool_calls": [part]})
    if finish and reply.finished_by != "none":
        yield None, chunk({}, reply.finished_by)
    if (body.get("stream_options") or {}).get("include_usage"):
        yield None, {**frame, "choices": [], "usage": usage_of(reply, body), **reply.reports}
