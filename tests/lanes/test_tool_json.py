from __future__ import annotations

import json
from typing import Any, Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel

from agentlanes.config import Settings
from agentlanes.errors import MalformedReply
from agentlanes.lanes import tool_json
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.lane import Lane
from agentlanes.testing import EndpointServer, Reply

EXAMPLES = (("Weather in Rome?", {"tool": "get_weather", "args": {"city": "Rome"}}),)


@tool
def get_weather(city: str, unit: Literal["C", "F"] = "C") -> str:
    """Current weather
    of a city."""
    return city


class Point(BaseModel):
    x: int
    y: int


@tool
def draw(points: list[Point], label: str | None = None) -> str:
    """Draw points."""
    return "drawn"


WIRE = [convert_to_openai_tool(t) for t in (get_weather, draw)]


def schema_of(offer: tool_json.Offer | None) -> dict[str, Any]:
    assert offer is not None
    schema: dict[str, Any] = tool_json.response_format(offer)["json_schema"]["schema"]
    return schema


def model_of(server: EndpointServer, **fields: Any) -> LaneChatModel:
    lane = Lane("small", base_url=server.base_url, tool_format="json", examples=EXAMPLES, **fields)
    return LaneChatModel.from_lane(lane, "act", Settings())


@pytest.mark.parametrize(
    ("reply", "fits"),
    [
        ({"tool": "get_weather", "args": {"city": "Paris"}}, True),
        ({"tool": "get_weather", "args": {"city": "Paris", "unit": "F"}}, True),
        ({"tool": "draw", "args": {"points": [{"x": 1, "y": 2}]}}, True),
        ({"final_answer": "done"}, True),
        ({"tool": "draw", "args": {"city": "Paris"}}, False),
        ({"tool": "get_weather", "args": {"city": "Paris", "unit": "K"}}, False),
        ({"tool": "draw", "args": {"points": [{"x": 1}]}}, False),
        ({"tool": "unknown", "args": {}}, False),
        ({"final_answer": "done", "tool": "draw"}, False),
        ({}, False),
    ],
)
def test_the_schema_is_the_union_of_the_tools_and_an_answer(
    reply: dict[str, Any], fits: bool
) -> None:
    schema = schema_of(tool_json.offered(WIRE))
    assert "$ref" not in json.dumps(schema)
    assert jsonschema.Draft202012Validator(schema).is_valid(reply) == fits


def test_the_tool_choice_narrows_the_union() -> None:
    answer, call = {"final_answer": "x"}, {"tool": "draw", "args": {"points": []}}
    weather = {"tool": "get_weather", "args": {"city": "Paris"}}

    def fitting(choice: object) -> list[bool]:
        validator = jsonschema.Draft202012Validator(schema_of(tool_json.offered(WIRE, choice)))
        return [validator.is_valid(reply) for reply in (answer, call, weather)]

    assert fitting("auto") == [True, True, True]
    assert fitting("required") == [False, True, True]
    assert fitting({"type": "function", "function": {"name": "draw"}}) == [False, True, False]
    assert tool_json.offered(WIRE, "none") is None
    assert tool_json.offered([]) is None


async def test_a_call_comes_back_as_a_tool_call() -> None:
    text = json.dumps({"tool": "get_weather", "args": {"city": "Zürich"}}, ensure_ascii=False)
    async with EndpointServer(lambda body: Reply(content=text, reasoning="hm")) as server:
        model = model_of(server).bind_tools([get_weather, draw])
        message = await model.ainvoke("Weather?")
        chunks = [chunk async for chunk in model.astream("Weather?")]
        body = server.requests[0].body
    for got in (message, chunks[0]):
        assert got.content == ""
        assert [(c["name"], c["args"]) for c in got.tool_calls] == [
            ("get_weather", {"city": "Zürich"})
        ]
        assert got.additional_kwargs["reasoning_content"] == "hm"
    assert len(chunks) == 1
    times = message.response_metadata["agentlanes_times"]
    assert times["first_content_ms"] is None
    assert times["first_reasoning_ms"] <= times["first_tool_arg_ms"] <= times["duration_ms"]
    assert "tools" not in body
    assert "tool_choice" not in body
    assert body["response_format"]["type"] == "json_schema"
    assert "Rome" in body["messages"][0]["content"]


async def test_a_final_answer_comes_back_as_content() -> None:
    async with EndpointServer(lambda body: Reply(content='{"final_answer": "sunny"}')) as server:
        message = await model_of(server).bind_tools([get_weather]).ainvoke("Weather?")
    assert message.content == "sunny"
    assert not message.tool_calls
    times = message.response_metadata["agentlanes_times"]
    assert times["first_tool_arg_ms"] is None
    assert times["first_content_ms"] <= times["duration_ms"]


@pytest.mark.parametrize(
    "text",
    [
        "sunny",
        "[]",
        '{"tool": "get_weather"}',
        '{"tool": "get_weather", "args": "x"}',
        '{"tool": "a", "args": {}, "more": 1}',
        '{"final_answer": 1}',
        '{"tool": "a", "args": {"x": 1, "x": 2}}',
        '{"tool": "get_weather", "args": {"city": ',
    ],
)
async def test_anything_else_is_malformed(text: str) -> None:
    async with EndpointServer(lambda body: Reply(content=text)) as server:
        model = model_of(server).bind_tools([get_weather])
        with pytest.raises(MalformedReply, match="JSON format"):
            await model.ainvoke("Weather?")
        with pytest.raises(MalformedReply, match="JSON format"):
            [chunk async for chunk in model.astream("Weather?")]


def test_calls_and_answers_without_a_loop() -> None:
    replies = iter(['{"tool": "get_weather", "args": {"city": "a"}}', '{"final_answer": "sunny"}'])
    with EndpointServer(lambda body: Reply(content=next(replies))).serve_in_thread() as server:
        model = model_of(server).bind_tools([get_weather])
        assert model.invoke("Weather?").tool_calls[0]["args"] == {"city": "a"}
        assert [chunk.text for chunk in model.stream("And now?")] == ["sunny"]


async def test_without_tools_the_reply_is_plain_text() -> None:
    async with EndpointServer(lambda body: Reply(content="just words")) as server:
        model = model_of(server)
        assert (await model.ainvoke("hi")).content == "just words"
        none = model.bind_tools([get_weather], tool_choice="none")
        assert (await none.ainvoke("hi")).content == "just words"
        for request in server.requests:
            assert "response_format" not in request.body
            assert request.body["messages"] == [{"role": "user", "content": "hi"}]


async def test_an_endpoint_that_enforces_no_schemas_is_only_asked() -> None:
    async with EndpointServer(lambda body: Reply(content='{"final_answer": "x"}')) as server:
        model = model_of(server, structured="prompt").bind_tools([get_weather])
        assert (await model.ainvoke("hi")).content == "x"
        assert "response_format" not in server.requests[0].body


def transcript(calls: int) -> list[BaseMessage]:
    messages: list[BaseMessage] = [SystemMessage("Use tools."), HumanMessage("Weather in all?")]
    for n in range(calls):
        call = {"name": "get_weather", "args": {"city": f"C{n}"}, "id": f"call_{n}"}
        messages += [
            AIMessage("", tool_calls=[call]),
            ToolMessage(f"sunny {n}", tool_call_id=f"call_{n}", name="get_weather"),
        ]
    return messages


async def ask(server: EndpointServer, messages: list[BaseMessage]) -> list[dict[str, Any]]:
    await model_of(server).bind_tools([get_weather, draw]).ainvoke(messages)
    wire: list[dict[str, Any]] = server.requests[-1].body["messages"]
    return wire


async def test_history_is_told_in_the_reply_format() -> None:
    messages = [*transcript(1), AIMessage("It is sunny."), HumanMessage("Thanks")]
    async with EndpointServer(lambda body: Reply(content='{"final_answer": "x"}')) as server:
        wire = await ask(server, messages)
    assert wire[1:] == [
        {"role": "user", "content": "Weather in all?"},
        {"role": "assistant", "content": '{"tool": "get_weather", "args": {"city": "C0"}}'},
        {"role": "user", "content": "Result of get_weather: sunny 0"},
        {"role": "assistant", "content": '{"final_answer": "It is sunny."}'},
        {"role": "user", "content": "Thanks"},
    ]
    for message in wire[1:]:
        if message["role"] == "assistant":
            tool_json.parse(message["content"])


async def test_the_prefix_stays_the_same_as_the_conversation_grows() -> None:
    async with EndpointServer(lambda body: Reply(content='{"final_answer": "x"}')) as server:
        before = await ask(server, transcript(2))
        after = await ask(server, transcript(4))
        aside = await ask(server, [*transcript(2), HumanMessage("Correction: no.")])
    assert after[: len(before)] == before
    assert aside[:-1] == before[:-1]
    assert aside[-1]["content"].startswith(before[-1]["content"])


async def test_roles_take_turns_and_parallel_calls_get_their_results() -> None:
    calls = [{"name": "get_weather", "args": {"city": c}, "id": c} for c in "ab"]
    messages = [
        HumanMessage("one"),
        HumanMessage([{"type": "text", "text": "two"}, {"type": "image_url", "image_url": "u"}]),
        AIMessage("", tool_calls=calls),
        ToolMessage("rb", tool_call_id="b"),
        ToolMessage("ra", tool_call_id="a"),
    ]
    async with EndpointServer(lambda body: Reply(content='{"final_answer": "x"}')) as server:
        wire = await ask(server, messages)
    roles = [message["role"] for message in wire]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [part.get("text") for part in wire[1]["content"]] == ["one\n\n", "two", None]
    assert wire[3]["content"] == "Result of get_weather: ra"
    assert wire[5]["content"] == "Result of get_weather: rb"


def test_the_section_is_short_and_names_everything() -> None:
    offer = tool_json.offered(WIRE)
    assert offer is not None
    section = tool_json.section(offer, EXAMPLES)
    assert '- get_weather(city: string, unit?: "C" | "F"): Current weather of a city.' in section
    assert "- draw(points: object[], label?: string | null): Draw points." in section
    assert '{"tool": "get_weather", "args": {"city": "Rome"}}' in section
    assert len(section) < 450


@given(st.text())
def test_parsing_never_fails_in_another_way(text: str) -> None:
    try:
        said = tool_json.parse(text)
    except ValueError:
        return
    assert said is not None


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()), st.text(min_size=1))
def test_what_is_written_is_read(args: dict[str, Any], name: str) -> None:
    said = tool_json.parse(f"```json\n{json.dumps({'tool': name, 'args': args})}\n```")
    assert isinstance(said, dict)
    assert (said["name"], said["args"]) == (name, args)
