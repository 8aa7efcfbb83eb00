from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import add_ai_message_chunks

from agentlanes.errors import MalformedReply
from agentlanes.lanes.chunks import Chunks, whole_chunk
from agentlanes.lanes.stream import CallDelta, Delta
from agentlanes.testing import HOSTILE_ARGUMENTS


def deltas(args: list[str], size: int) -> list[Delta]:
    """Cut calls with these arguments into pieces."""
    found = [Delta(content="Let me look. ", reasoning="Hm.")]
    for index, text in enumerate(args):
        first = CallDelta(index=index, id=f"id{index}", name=f"tool{index}", args="")
        found.append(Delta(calls=(first,)))
        found += [
            Delta(calls=(CallDelta(index=index, id=None, name=None, args=text[at : at + size]),))
            for at in range(0, len(text), size)
        ]
    return found


def merged(found: list[Delta], message: AIMessage) -> AIMessageChunk:
    writer = Chunks("m")
    chunks = [chunk for delta in found if (chunk := writer.of(delta)) is not None]
    chunks.append(writer.last(message))
    return add_ai_message_chunks(chunks[0], *chunks[1:])


@pytest.mark.parametrize("size", [1, 3, 50, 10_000])
def test_the_pieces_add_up_to_the_message(size: int) -> None:
    args: list[dict[str, Any]] = [
        {"city": 'Zürich "the city"\n', "n": [1, -2.5e3, True, None, {"k": {}}]},
        {},
        {"text": "x" * 5000, "\\": "\u2028"},
    ]
    calls: Any = [
        {"name": f"tool{n}", "args": each, "id": f"id{n}", "type": "tool_call"}
        for n, each in enumerate(args)
    ]
    message = AIMessage("Let me look. ", tool_calls=calls)
    chunk = merged(deltas([json.dumps(each, indent=1) for each in args], size), message)
    assert chunk.tool_calls == message.tool_calls
    assert chunk.content == message.content
    assert chunk.additional_kwargs["reasoning_content"] == "Hm."
    assert chunk.invalid_tool_calls == []
    assert whole_chunk(message).tool_calls == message.tool_calls


@pytest.mark.parametrize("args", HOSTILE_ARGUMENTS)
def test_hostile_arguments_end_early_or_are_read_in_no_time(args: str) -> None:
    writer, shown = Chunks("m"), ""
    with suppress(MalformedReply):
        for delta in deltas([args], 64):
            chunk = writer.of(delta)
            shown += chunk.tool_call_chunks[0]["args"] or "" if chunk and delta.calls else ""
    # One try is enough for langchain-core's reader, which takes quadratic time to find another.
    assert shown == "" or json.loads(_closed(shown), strict=False) is not None


def _closed(text: str) -> str:
    ends, inside, escaped = "", False, False
    for char in text:
        if inside:
            inside, escaped = escaped or char != '"', not escaped and char == "\\"
        elif char == '"':
            inside = True
        elif char in "{[":
            ends = ("}" if char == "{" else "]") + ends
        elif char in "}]":
            ends = ends[1:]
    return text + ('"' if inside else "") + ends
