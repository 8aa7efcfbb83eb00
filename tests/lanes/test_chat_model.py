from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.tools import tool

from agentlanes.config import Settings
from agentlanes.errors import ConfigError, MissingKey
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.lane import Lane
from agentlanes.latency.record import lane_times
from agentlanes.testing import EndpointServer, Latency, Reply

NO_ENV = Settings()
USAGE = {
    "prompt_tokens": 30,
    "completion_tokens": 12,
    "total_tokens": 42,
    "prompt_tokens_details": {"cached_tokens": 20},
    "completion_tokens_details": {"reasoning_tokens": 7},
}


@tool
def get_weather(city: str) -> str:
    """Current weather of a city."""
    return f"sunny in {city}"


@tool
def stop_all() -> str:
    """Stop everything."""
    return "stopped"


def rich(body: dict[str, Any]) -> Reply:
    return Reply(
        content="Looking it up.",
        reasoning="The user asks for the weather.",
        tool_calls=[("get_weather", {"city": "Zürich"}), ("stop_all", "")],
        usage=USAGE,
        model="m-2026",
        service_tier="priority",
    )


def model_of(server: EndpointServer, role: Any = "act", **fields: Any) -> LaneChatModel:
    lane = Lane("m", base_url=server.base_url, **fields)
    return LaneChatModel.from_lane(lane, role, NO_ENV)


def added(chunks: Sequence[AIMessage]) -> AIMessage:
    """Add chunks up, as whoever streams a message does."""
    parts = [chunk for chunk in chunks if isinstance(chunk, AIMessageChunk)]
    assert len(parts) == len(chunks)
    return add_ai_message_chunks(parts[0], *parts[1:])


def check_rich(message: AIMessage) -> None:
    assert message.content == "Looking it up."
    assert message.additional_kwargs["reasoning_content"] == "The user asks for the weather."
    assert [(c["name"], c["args"]) for c in message.tool_calls] == [
        ("get_weather", {"city": "Zürich"}),
        ("stop_all", {}),
    ]
    assert len({c["id"] for c in message.tool_calls}) == 2
    usage = message.usage_metadata
    assert usage is not None
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (30, 12, 42)
    assert usage["input_token_details"] == {"cache_read": 20}
    assert usage["output_token_details"] == {"reasoning": 7}
    meta = message.response_metadata
    assert meta["model_name"] == "m-2026"
    assert meta["service_tier"] == "priority"
    assert meta["finish_reason"] == "tool_calls"


def check_times(message: AIMessage) -> None:
    times, tokens = lane_times(message, 0.0)
    assert times["model"] == "m-2026"
    assert times["tier"] == "priority"
    assert (times["attempts"], times["retry_ms"]) == (1, 0)
    assert tokens == {"input": 30, "output": 12, "reasoning": 7, "cached": 20}
    reasoning, content = times["first_reasoning_ms"], times["first_content_ms"]
    arguments = times["first_tool_arg_ms"]
    assert reasoning is not None
    assert content is not None
    assert arguments is not None
    assert 0 < reasoning <= content <= arguments <= times["duration_ms"]


async def test_invoke_gives_everything_the_endpoint_said() -> None:
    async with EndpointServer(rich) as server:
        message = await model_of(server).bind_tools([get_weather, stop_all]).ainvoke("Weather?")
        assert server.requests[0].stream
        assert server.requests[0].body["stream_options"] == {"include_usage": True}
    check_rich(message)
    check_times(message)


async def test_stream_adds_up_to_the_same_message() -> None:
    async with EndpointServer(rich) as server:
        model = model_of(server).bind_tools([get_weather, stop_all])
        chunks = [chunk async for chunk in model.astream("Weather?")]
    whole = added(chunks)
    assert len(chunks) > 5
    assert not any(chunk.response_metadata for chunk in chunks[:-1])
    check_rich(whole)
    check_times(whole)


def test_sync_gives_the_same() -> None:
    with EndpointServer(rich).serve_in_thread() as server:
        model = model_of(server)
        bound = model.bind_tools([get_weather, stop_all])
        message = bound.invoke("Weather?")
        check_rich(message)
        check_times(message)
        check_rich(added(list(bound.stream("Weather?"))))
        del bound, model
        gc.collect()


async def test_first_token_times_follow_the_endpoint() -> None:
    def script(body: dict[str, Any]) -> Reply:
        return Reply(reasoning="abcd", content="efgh", latency=Latency(token_s=0.2))

    async with EndpointServer(script) as server:
        message = await model_of(server).ainvoke("?")
    times = message.response_metadata["agentlanes_times"]
    assert times["first_content_ms"] - times["first_reasoning_ms"] > 100
    assert times["first_tool_arg_ms"] is None
    assert times["queue_ms"] == 0


async def test_a_lane_that_cannot_stream() -> None:
    async with EndpointServer(rich) as server:
        model = model_of(server, extra_body={"stream": False})
        bound = model.bind_tools([get_weather, stop_all])
        message = await bound.ainvoke("Weather?")
        chunks = [chunk async for chunk in bound.astream("Weather?")]
        assert [request.stream for request in server.requests] == [False, False]
        assert "stream_options" not in server.requests[0].body
    check_rich(message)
    times = message.response_metadata["agentlanes_times"]
    assert times["first_content_ms"] is None
    assert times["duration_ms"] > 0
    assert len(chunks) == 1
    check_rich(chunks[0])


async def test_request_body_holds_messages_tools_settings_and_bound_fields() -> None:
    async with EndpointServer(lambda body: Reply(content="ok")) as server:
        model = model_of(
            server,
            temperature=0.5,
            max_tokens=99,
            reasoning_effort="low",
            service_tier="flex",
            extra_body={"priority": 3, "temperature": None},
        )
        history = [
            SystemMessage("be brief"),
            HumanMessage("Weather?"),
            AIMessage("", tool_calls=[{"name": "get_weather", "args": {"city": "Ü"}, "id": "c"}]),
            ToolMessage("sunny", tool_call_id="c", name="get_weather"),
        ]
        bound = model.bind_tools([get_weather], tool_choice="any").bind(max_tokens=5)
        await bound.ainvoke(history, stop=["END"])
        await model.ainvoke(history, response_format={"type": "json_object"})
        body, other = server.requests[0].body, server.requests[1].body
    assert body["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {
                    "type": "function",
                    "id": "c",
                    "function": {"name": "get_weather", "arguments": '{"city": "Ü"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": "sunny"},
    ]
    assert body["tools"][0]["function"]["name"] == "get_weather"
    assert body["tool_choice"] == "required"
    assert body["max_tokens"] == 5
    assert body["stop"] == ["END"]
    assert body["priority"] == 3
    assert body["reasoning_effort"] == "low"
    assert body["service_tier"] == "flex"
    assert "temperature" not in body
    assert other["response_format"] == {"type": "json_object"}
    assert other["max_tokens"] == 99
    assert "tools" not in other


async def test_equal_calls_make_equal_requests() -> None:
    async with EndpointServer(lambda body: Reply(content="ok")) as server:
        for _ in range(2):
            await model_of(server, max_tokens=4).bind_tools([get_weather, stop_all]).ainvoke("hi")
        first, second = (json.dumps(request.body) for request in server.requests)
    assert first == second


def test_openai_itself_gets_the_name_it_knows_for_the_cap() -> None:
    from agentlanes.lanes.request import OPENAI_URL, build_body

    body = build_body(
        Lane("gpt-5-nano", max_tokens=7), OPENAI_URL, [HumanMessage("x")], stop=None, options={}
    )
    assert body["max_completion_tokens"] == 7
    assert "max_tokens" not in body


def test_missing_key_is_found_when_the_model_is_built() -> None:
    with pytest.raises(MissingKey, match="OPENAI_API_KEY"):
        LaneChatModel.from_lane(Lane("gpt-5-nano"), "act", NO_ENV)
    for ok in (Lane("m", api_key="sk-1"), Lane("m", base_url="http://127.0.0.1:9/v1")):
        assert LaneChatModel.from_lane(ok, "act", NO_ENV).model_name == "m"
    by_env = Settings.from_env({"OPENAI_API_KEY": "sk-1"})
    assert LaneChatModel.from_lane(Lane("m"), "act", by_env).base_url.endswith("openai.com/v1")
    by_url = Settings.from_env({"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})
    assert LaneChatModel.from_lane(Lane("m"), "act", by_url).base_url == "http://127.0.0.1:9/v1"


def test_a_base_url_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="HTTP URL"):
        LaneChatModel.from_lane(Lane("m", base_url="127.0.0.1:8080"), "act", NO_ENV)


@pytest.mark.parametrize("latency", [Latency(first_token_s=60), Latency(token_s=60)])
async def test_cancelling_drops_the_connection(latency: Latency) -> None:
    arrived = asyncio.Event()

    def script(body: dict[str, Any]) -> Reply:
        arrived.set()
        return Reply(content="x" * 400)

    async with EndpointServer(script, latency=latency) as server:
        model = model_of(server)
        task = asyncio.ensure_future(model.ainvoke("?"))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.wait_idle()
        assert server.requests[0].aborted
        assert len(server.requests) == 1


async def test_leaving_a_stream_early_drops_the_connection() -> None:
    def script(body: dict[str, Any]) -> Reply:
        return Reply(content="x" * 400, latency=Latency(token_s=0.02))

    async with EndpointServer(script) as server:
        stream = cast("AsyncGenerator[AIMessageChunk, None]", model_of(server).astream("?"))
        async for chunk in stream:
            if chunk.content:
                break
        await stream.aclose()
        await server.wait_idle()
        assert server.requests[0].aborted


async def test_calls_share_a_client_and_aclose_ends_it() -> None:
    async with EndpointServer(lambda body: Reply(content="ok")) as server:
        model = model_of(server)
        await asyncio.gather(*(model.ainvoke("?") for _ in range(5)))
        client = await model._clients.acquire()
        assert client is await model._clients.acquire()
        await model.aclose()
        assert client.is_closed()
        assert (await model.ainvoke("again")).content == "ok"
        await model.aclose()


def test_the_lane_alone_does_not_load_the_sdk() -> None:
    code = "import sys, agentlanes.lanes.lane as l; l.Lane('m'); print('openai' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"
