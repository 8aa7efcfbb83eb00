from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    ToolMessage,
)
from langchain_core.tools import tool
from pydantic import ValidationError

from agentlanes.testing import ScriptedModel

CALL = {"name": "add", "args": {"a": 1, "b": [2, {"c": "ü"}]}, "id": "x1"}
FULL = AIMessage(
    content="Let me add these numbers.",
    additional_kwargs={"reasoning_content": "Adding is what add is for.", "other": {"k": 1}},
    tool_calls=[CALL, {"name": "noop", "args": {}, "id": "x2"}],
    usage_metadata={"input_tokens": 9, "output_tokens": 4, "total_tokens": 13},
)


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def same(got: AIMessage) -> None:
    assert got.content == FULL.content
    assert got.additional_kwargs == FULL.additional_kwargs
    assert [(c["name"], c["args"], c["id"]) for c in got.tool_calls] == [
        (c["name"], c["args"], c["id"]) for c in FULL.tool_calls
    ]
    assert got.usage_metadata == FULL.usage_metadata
    assert got.response_metadata["model_name"] == "scripted-act"
    assert got.response_metadata["finish_reason"] == "tool_calls"


def full_model() -> ScriptedModel:
    return ScriptedModel(script=lambda messages, kwargs: FULL, model_name="scripted-act")


async def test_all_four_ways_of_asking_give_the_same_message() -> None:
    model = full_model()
    same(model.invoke("go"))
    same(await model.ainvoke("go"))
    sync_chunks = list(model.stream("go"))
    async_chunks = [chunk async for chunk in model.astream("go")]
    for chunks in (sync_chunks, async_chunks):
        total = chunks[0]
        for chunk in chunks[1:]:
            total += chunk
        assert isinstance(total, AIMessageChunk)
        same(total)
        parts = [part for chunk in chunks for part in chunk.tool_call_chunks]
        first = [part["args"] for part in parts if part["index"] == 0 and part["args"]]
        assert len(first) >= 3
        assert json.loads("".join(first)) == CALL["args"]
        assert sum(bool(c.content) for c in chunks) > 1
    assert len(model.calls) == 4
    assert all(call.t_end is not None and call.reply is not None for call in model.calls)
    assert not any(call.cancelled for call in model.calls)


async def test_the_script_sees_messages_tools_and_arguments() -> None:
    seen: list[tuple[list[BaseMessage], dict[str, Any]]] = []

    async def script(messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        await asyncio.sleep(0)
        seen.append((messages, kwargs))
        return AIMessage("done")

    model = ScriptedModel(script=script)
    bound = model.bind_tools([add], tool_choice="auto", response_format={"type": "json_object"})
    reply = await bound.ainvoke([HumanMessage("1 and 1?")], stop=["\n"])
    assert reply.content == "done"
    messages, kwargs = seen[0]
    assert [m.content for m in messages] == ["1 and 1?"]
    assert [t["function"]["name"] for t in kwargs["tools"]] == ["add"]
    assert (kwargs["tool_choice"], kwargs["stop"]) == ("auto", ["\n"])
    assert kwargs["response_format"] == {"type": "json_object"}
    assert model.calls[0].kwargs == kwargs


async def test_a_sequence_is_used_up_in_order_and_can_raise() -> None:
    model = ScriptedModel(script=["one", ValueError("two"), AIMessage("three")])
    assert (await model.ainvoke("?")).content == "one"
    with pytest.raises(ValueError, match="two"):
        await model.ainvoke("?")
    assert model.invoke("?").content == "three"
    with pytest.raises(LookupError, match="call 4 of a script of 3"):
        await model.ainvoke("?")
    assert [call.reply is None for call in model.calls] == [False, True, False, True]


async def test_missing_ids_are_filled_by_place_without_touching_the_script() -> None:
    given = AIMessage("", tool_calls=[{"name": "add", "args": {}, "id": None}] * 2)
    model = ScriptedModel(script=lambda messages, kwargs: given)
    first = await model.ainvoke("go")
    assert [c["id"] for c in first.tool_calls] == ["call_0", "call_1"]
    results = [ToolMessage("1", tool_call_id=c["id"]) for c in first.tool_calls]
    second = await model.ainvoke([HumanMessage("go"), first, *results])
    assert [c["id"] for c in second.tool_calls] == ["call_2", "call_3"]
    assert [c["id"] for c in given.tool_calls] == [None, None]


@pytest.mark.parametrize("streamed", [False, True])
async def test_cancellation_reaches_the_script(streamed: bool) -> None:
    inside, cleaned = asyncio.Event(), asyncio.Event()

    async def script(messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        inside.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()
        return AIMessage("never")

    model = ScriptedModel(script=script)

    async def ask() -> None:
        if streamed:
            async for _ in model.astream("go"):
                pass
        else:
            await model.ainvoke("go")

    asking = asyncio.create_task(ask())
    await inside.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert cleaned.is_set()
    (call,) = model.calls
    assert call.cancelled
    assert call.t_end is not None
    assert call.reply is None


async def test_cancellation_in_the_latency_and_in_the_middle_of_a_stream() -> None:
    model = ScriptedModel(script=["slow"], latency_s=3600)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await model.ainvoke("go")
    assert model.calls[0].cancelled

    model = ScriptedModel(script=["word " * 20])
    stream = model.astream("go")
    async for _ in stream:
        break
    await stream.aclose()  # type: ignore[attr-defined]
    assert model.calls[0].cancelled
    assert model.calls[0].t_end is not None


async def test_latency_follows_the_loop_clock() -> None:
    loop = asyncio.get_running_loop()
    model = ScriptedModel(script=["a"], latency_s=0.03)
    start = loop.time()
    await model.ainvoke("go")
    (call,) = model.calls
    assert call.t_start >= start
    assert call.t_end - call.t_start >= 0.028


def test_an_asynchronous_script_needs_an_asynchronous_call() -> None:
    async def script(messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        return AIMessage("x")

    with pytest.raises(TypeError, match="ainvoke"):
        ScriptedModel(script=script).invoke("go")
    with pytest.raises(TypeError, match="gives an AIMessage"):
        ScriptedModel(script=lambda m, k: 7).invoke("go")  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("bad", ["text", 7, None])
def test_what_is_no_script_is_refused(bad: object) -> None:
    with pytest.raises(ValidationError, match="a script is"):
        ScriptedModel(script=bad)


async def test_callbacks_get_tokens_and_concurrent_calls_stay_apart() -> None:
    def script(messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        return AIMessage(f"echo {messages[-1].content}")

    model = ScriptedModel(script=script, latency_s=0.001)
    replies = await asyncio.gather(*(model.ainvoke(str(n)) for n in range(50)))
    assert [r.content for r in replies] == [f"echo {n}" for n in range(50)]
    events = [e async for e in model.astream_events("x", version="v2")]
    tokens = [e["data"]["chunk"].content for e in events if e["event"] == "on_chat_model_stream"]
    assert "".join(tokens) == "echo x"
    assert len(tokens) > 1
