"""The Responses API's side of a scripted endpoint: what it is asked, what it answers. Pure."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

from agentlanes.testing.latency import request_digest
from agentlanes.testing.reply import Reply, count_tokens, split_text, usage_of, wire_calls

__all__ = ["chat_view", "response_events", "response_id", "response_object"]

_TOKEN_CHARS = 4
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_ENCRYPTED = "reasoning.encrypted_content"


def chat_view(body: Mapping[str, Any]) -> dict[str, Any]:
    """Say a request in the words of Chat Completions, so that one script serves both APIs.

    Reasoning items are left out: no script can read them.

    Example:
        >>> chat_view({"model": "m", "input": "hi"})["messages"]
        [{'role': 'user', 'content': 'hi'}]
    """
    view = {key: body[key] for key in body if key not in ("input", "instructions", "text")}
    view["messages"] = _messages(body)
    if body.get("tools"):
        view["tools"] = [_tool(tool) for tool in body["tools"]]
    choice = body.get("tool_choice")
    if isinstance(choice, Mapping) and "name" in choice:
        view["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    form = (body.get("text") or {}).get("format")
    if isinstance(form, Mapping) and form.get("type") == "json_schema":
        schema = {key: value for key, value in form.items() if key != "type"}
        view["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif form is not None:
        view["response_format"] = form
    if "max_output_tokens" in body:
        view["max_tokens"] = body["max_output_tokens"]
    if isinstance(body.get("reasoning"), Mapping) and body["reasoning"].get("effort"):
        view["reasoning_effort"] = body["reasoning"]["effort"]
    return view


def response_id(body: Mapping[str, Any], nth: int = 0) -> str:
    """Give a response's id: from the request, and its place among equal ones."""
    return f"resp_{request_digest(body).hex()[:24]}" + (f"_{nth}" if nth else "")


def response_object(
    reply: Reply, body: Mapping[str, Any], *, finish: bool = True, nth: int = 0
) -> dict[str, Any]:
    """Render a whole response.

    Args:
        reply: The reply.
        body: The request it answers.
        finish: Whether it has come to an end; one that has not has no output.
        nth: Its place among the responses to equal requests.
    """
    shown = finish and reply.finished_by != "none"
    reason = _INCOMPLETE.get(reply.finished_by)
    status = ("incomplete" if reason else "completed") if shown else "in_progress"
    frame: dict[str, Any] = {
        "id": response_id(body, nth),
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "background": bool(body.get("background")),
        "error": None,
        "incomplete_details": {"reason": reason} if shown and reason else None,
        "model": reply.model or body["model"],
        "output": _output(reply, body, cut=bool(reason)) if shown else [],
        "parallel_tool_calls": True,
        "tools": body.get("tools") or [],
        "tool_choice": body.get("tool_choice") or "auto",
        "usage": _usage(reply, body) if shown else None,
    }
    if reply.service_tier is not None:
        frame["service_tier"] = reply.service_tier
    return {**frame, **(reply.reports if shown else {})}


def response_events(
    reply: Reply, body: Mapping[str, Any], *, finish: bool = True, nth: int = 0
) -> Iterator[tuple[int | None, dict[str, Any]]]:
    """Render a reply as the events of a stream.

    Args:
        reply: The reply.
        body: The request it answers.
        finish: Whether there is an event that ends the response.
        nth: Its place among the responses to equal requests.

    Yields:
        Which token of the reply completes the event, from 1, 0 for what is said at once, or `None`
        for what belongs to the reply's end; and the event.
    """
    number = 0

    def event(kind: str, **fields: Any) -> dict[str, Any]:
        nonlocal number
        number += 1
        return {"type": f"response.{kind}", "sequence_number": number - 1, **fields}

    open_ = response_object(reply, body, finish=False, nth=nth)
    yield 0, event("created", response=open_)
    yield 0, event("in_progress", response=open_)
    sent = 0
    whole = response_object(reply, body, nth=nth)
    for at, item in enumerate(_output(reply, body, cut=False)):
        for tokens, kind, fields in _item_events(item):
            place: dict[str, Any] = {"output_index": at}
            if not kind.startswith("output_item"):
                place["item_id"] = item["id"]
            yield max(1, sent + tokens), event(kind, **place, **fields)
        sent += _tokens(item)
    if finish and reply.finished_by != "none":
        yield None, event(whole["status"], response=whole)


def _item_events(item: Mapping[str, Any]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Give the events of one output item, with the tokens of it that were sent by then."""
    all_ = _tokens(item)
    if item["type"] == "function_call":
        args, name = item["arguments"], count_tokens(item["name"])
        begun = {**item, "arguments": "", "status": "in_progress"}
        yield name, "output_item.added", {"item": begun}
        for tokens, piece in _pieces(args, at_least=3):
            yield name + tokens, "function_call_arguments.delta", {"delta": piece}
        yield all_, "function_call_arguments.done", {"arguments": args}
    elif item["type"] == "reasoning":
        text = item["summary"][0]["text"]
        empty = {"type": "summary_text", "text": ""}
        place: dict[str, Any] = {"summary_index": 0}
        yield 0, "output_item.added", {"item": {**item, "summary": []}}
        yield 0, "reasoning_summary_part.added", {**place, "part": empty}
        for tokens, piece in _pieces(text):
            yield tokens, "reasoning_summary_text.delta", {**place, "delta": piece}
        yield all_, "reasoning_summary_text.done", {**place, "text": text}
        part = {"type": "summary_text", "text": text}
        yield all_, "reasoning_summary_part.done", {**place, "part": part}
    else:
        (part,) = item["content"]
        key = "refusal" if part["type"] == "refusal" else "text"
        kind = "refusal" if key == "refusal" else "output_text"
        place = {"content_index": 0}
        more: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
        begun = {**item, "content": [], "status": "in_progress"}
        yield 0, "output_item.added", {"item": begun}
        yield 0, "content_part.added", {**place, "part": {**part, key: ""}}
        for tokens, piece in _pieces(part[key]):
            yield tokens, f"{kind}.delta", {**place, "delta": piece, **more}
        yield all_, f"{kind}.done", {**place, key: part[key], **more}
        yield all_, "content_part.done", {**place, "part": part}
    yield all_, "output_item.done", {"item": dict(item)}


def _output(reply: Reply, body: Mapping[str, Any], *, cut: bool) -> list[dict[str, Any]]:
    stem = request_digest(body, seed=2).hex()[:20]
    items: list[dict[str, Any]] = []
    if reply.reasoning:
        thought: dict[str, Any] = {
            "type": "reasoning",
            "id": f"rs_{stem}",
            "summary": [{"type": "summary_text", "text": reply.reasoning}],
        }
        if _ENCRYPTED in (body.get("include") or ()):
            thought["encrypted_content"] = f"sealed-{stem}"
        items.append(thought)
    status = "incomplete" if cut else "completed"
    if reply.content or reply.refusal:
        part: dict[str, Any] = (
            {"type": "refusal", "refusal": reply.refusal}
            if reply.refusal
            else {"type": "output_text", "text": reply.content, "annotations": []}
        )
        items.append(
            {
                "type": "message",
                "id": f"msg_{stem}",
                "role": "assistant",
                "status": status,
                "content": [part],
            }
        )
    for at, call in enumerate(wire_calls(reply, body)):
        items.append(
            {
                "type": "function_call",
                "id": f"fc_{stem}_{at}",
                "call_id": call["id"],
                "status": status,
                **call["function"],
            }
        )
    return items


def _usage(reply: Reply, body: Mapping[str, Any]) -> dict[str, Any]:
    used = usage_of(reply, body)
    if "input_tokens" in used:
        return used
    return {
        "input_tokens": used["prompt_tokens"],
        "input_tokens_details": {
            "cached_tokens": 0,
            "cache_write_tokens": 0,
            **(used.get("prompt_tokens_details") or {}),
        },
        "output_tokens": used["completion_tokens"],
        "output_tokens_details": used.get("completion_tokens_details") or {},
        "total_tokens": used.get("total_tokens", 0),
    }


def _tokens(item: Mapping[str, Any]) -> int:
    if item["type"] == "function_call":
        return count_tokens(item["name"]) + count_tokens(item["arguments"])
    if item["type"] == "reasoning":
        return count_tokens(item["summary"][0]["text"])
    return count_tokens(item["content"][0].get("text") or "")


def _pieces(text: str, at_least: int = 1) -> Iterator[tuple[int, str]]:
    chars = 0
    for piece in split_text(text, at_least):
        chars += len(piece)
        yield math.ceil(chars / _TOKEN_CHARS), piece


def _messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    given = body.get("input")
    messages: list[dict[str, Any]] = []
    if body.get("instructions"):
        messages.append({"role": "system", "content": body["instructions"]})
    if isinstance(given, str):
        return [*messages, {"role": "user", "content": given}]
    for item in given or ():
        kind = item.get("type", "message")
        if kind == "function_call":
            function = {"name": item["name"], "arguments": item["arguments"]}
            call = {"id": item["call_id"], "type": "function", "function": function}
            last = messages[-1] if messages else {}
            if last.get("role") == "assistant":
                last.setdefault("tool_calls", []).append(call)
            else:
                messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        elif kind == "function_call_output":
            output = _text(item["output"])
            messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": output})
        elif kind == "message":
            messages.append({"role": item["role"], "content": _text(item["content"])})
    return messages


def _text(content: Any) -> Any:
    """Give a content as text if it is nothing else."""
    if isinstance(content, list) and all("text" in part for part in content):
        return "".join(part["text"] for part in content)
    return content


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if tool.get("type") != "function":
        return dict(tool)
    return {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}
