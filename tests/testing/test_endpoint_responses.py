from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import Field, TypeAdapter

from agentlanes.testing import EndpointServer, Latency, Reply

FULL = Reply(
    reasoning="The user asks for two things.",
    content="I look both up.",
    tool_calls=[("get_weather", {"city": "Paris"}), ("get_time", {})],
    service_tier="flex",
)
ASK: dict[str, Any] = {
    "model": "m",
    "input": "Weather and time?",
    "include": ["reasoning.encrypted_content"],
}


def client_of(server: EndpointServer) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=server.base_url, api_key="any", max_retries=0)


def said(response: Response) -> list[Any]:
    return [
        item.model_dump(include={"type", "name", "arguments", "content", "summary"})
        for item in response.output
    ]


@pytest.mark.usefixtures("nothing_left")
async def test_the_sdk_reads_the_same_reply_whole_and_streamed() -> None:
    async with EndpointServer(lambda body: FULL) as server, client_of(server) as client:
        whole = await client.responses.create(**ASK)
        async with await client.responses.create(**ASK, stream=True) as stream:
            events = [event async for event in stream]
    assert events[-1].type == "response.completed"
    assert said(events[-1].response) == said(whole)
    assert whole.output_text == "I look both up."
    assert whole.output[0].type == "reasoning"
    assert whole.service_tier == "flex"
    streamed = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert streamed == "I look both up."
    assert [log.api for log in server.requests] == ["responses", "responses"]


async def test_every_event_is_what_the_protocol_says() -> None:
    known = TypeAdapter[Any](Annotated[ResponseStreamEvent, Field(discriminator="type")])
    async with (
        EndpointServer(lambda body: FULL) as server,
        client_of(server) as client,
        client.responses.with_streaming_response.create(**ASK, stream=True) as raw,
    ):
        lines = [line async for line in raw.iter_lines()]
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    for event in events:
        known.validate_python(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    names = [line[7:] for line in lines if line.startswith("event: ")]
    assert names == [event["type"] for event in events]


async def test_a_script_reads_requests_of_either_api_alike() -> None:
    seen: list[dict[str, Any]] = []

    def script(body: dict[str, Any]) -> Reply:
        seen.append(body)
        return Reply(content="ok")

    function = {"name": "f", "parameters": {"type": "object"}, "strict": False}
    async with EndpointServer(script) as server, client_of(server) as client:
        await client.responses.create(
            model="m",
            instructions="Be brief.",
            input=[
                {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": "1"},
            ],
            tools=[{"type": "function", **function}],  # type: ignore[list-item]
            tool_choice={"type": "function", "name": "f"},
            max_output_tokens=9,
        )
    (view,) = seen
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert view["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
    ]
    assert view["tools"] == [{"type": "function", "function": function}]
    assert view["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert view["max_tokens"] == 9


@pytest.mark.usefixtures("nothing_left")
async def test_a_background_response_is_polled_and_streamed_from_any_event_on() -> None:
    slow = Latency(first_token_s=0.05, token_s=0.01)
    async with (
        EndpointServer(lambda body: FULL, latency=slow) as server,
        client_of(server) as client,
    ):
        made = await client.responses.create(**ASK, background=True)
        assert made.status == "in_progress"
        assert made.output == []
        while made.status == "in_progress":
            await asyncio.sleep(0.02)
            made = await client.responses.retrieve(made.id)
        assert made.status == "completed"
        async with await client.responses.retrieve(made.id, stream=True) as stream:
            events = [event async for event in stream]
        async with await client.responses.retrieve(
            made.id, stream=True, starting_after=events[3].sequence_number
        ) as stream:
            rest = [event async for event in stream]
        again = await client.responses.create(**ASK, background=True)
    assert rest == events[4:]
    assert again.id != made.id


@pytest.mark.usefixtures("nothing_left")
async def test_cancelling_ends_the_response_and_its_streams() -> None:
    slow = Latency(first_token_s=60)
    async with (
        EndpointServer(lambda body: FULL, latency=slow) as server,
        client_of(server) as client,
    ):
        made = await client.responses.create(**ASK, background=True)

        async def listen() -> list[str]:
            async with await client.responses.retrieve(made.id, stream=True) as stream:
                return [event.type async for event in stream]

        listening = asyncio.create_task(listen())
        await server.background.first_asked.wait()
        assert (await client.responses.cancel(made.id)).status == "cancelled"
        assert "response.completed" not in await listening
        assert (await client.responses.retrieve(made.id)).status == "cancelled"
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve("resp_none")


async def test_an_endpoint_may_serve_one_api_only() -> None:
    async with (
        EndpointServer(lambda body: FULL, apis=["chat"]) as server,
        client_of(server) as client,
    ):
        with pytest.raises(openai.NotFoundError):
            await client.responses.create(**ASK)
