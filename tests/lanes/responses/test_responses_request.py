from __future__ import annotations

import base64
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from openai.types.responses import response_create_params
from pydantic import TypeAdapter

from agentlanes.errors import ConfigError
from agentlanes.lanes.lane import Lane
from agentlanes.lanes.responses.request import build_body, input_items

URL = "http://127.0.0.1:1/v1"


@tool
def get_weather(city: str) -> str:
    """Current weather of a city."""
    return city


def body_of(lane: Lane, *messages: Any, **options: Any) -> dict[str, Any]:
    return build_body(lane, URL, messages or [HumanMessage("?")], stop=None, options=options)


def lane(**fields: Any) -> Lane:
    return Lane("m", base_url=URL, api="responses", **fields)


def test_the_least_that_is_sent() -> None:
    assert body_of(lane()) == {
        "model": "m",
        "input": [{"role": "user", "content": "?"}],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }


def test_knobs_have_this_apis_names() -> None:
    body = body_of(
        lane(
            temperature=0,
            max_tokens=50,
            reasoning_effort="low",
            reasoning_summary="auto",
            service_tier="flex",
            prompt_cache_key="k",
            prompt_cache_options={"ttl": "30m"},
            extra_body={"truncation": "auto", "include": None},
        )
    )
    assert body["max_output_tokens"] == 50
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}
    assert body["service_tier"] == "flex"
    assert body["prompt_cache_key"] == "k"
    assert body["prompt_cache_options"] == {"ttl": "30m"}
    assert body["truncation"] == "auto"
    assert "include" not in body
    TypeAdapter(response_create_params.ResponseCreateParamsStreaming).validate_python(body)


def test_what_a_call_asks_for_is_said_in_the_words_of_the_other_api() -> None:
    wire = convert_to_openai_tool(get_weather)
    form = {"name": "answer", "schema": {"type": "object"}, "strict": False}
    body = body_of(
        lane(max_tokens=50, reasoning_summary="auto"),
        tools=[wire],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        response_format={"type": "json_schema", "json_schema": form},
        max_tokens=9,
        reasoning_effort="high",
        stream=False,
    )
    assert body["tools"] == [{"type": "function", "strict": False, **wire["function"]}]
    assert body["tool_choice"] == {"type": "function", "name": "get_weather"}
    assert body["text"] == {"format": {"type": "json_schema", **form}}
    assert body["max_output_tokens"] == 9
    assert body["reasoning"] == {"effort": "high", "summary": "auto"}
    assert body["stream"] is True
    TypeAdapter(response_create_params.ResponseCreateParamsStreaming).validate_python(body)


def test_a_conversation_becomes_items_with_reasoning_in_front_of_what_it_led_to() -> None:
    seal = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
    other = {**seal, "id": "rs_2"}
    call: dict[str, Any] = {"name": "f", "args": {"a": 1}, "id": "c1", "type": "tool_call"}
    kept = {
        "reasoning": [{"before": "text", "item": seal}, {"before": "c1", "item": other}],
        "phase": "commentary",
    }
    said = AIMessage("first", tool_calls=[call], additional_kwargs={"responses": kept})
    items = input_items(
        [SystemMessage("be brief"), HumanMessage("hi"), said, ToolMessage("1", tool_call_id="c1")]
    )
    asked = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'}
    assert items == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"},
        seal,
        {"role": "assistant", "content": "first", "phase": "commentary"},
        other,
        asked,
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
    ]


def test_reasoning_goes_with_what_it_led_to() -> None:
    seal = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
    kept = {"reasoning": [{"before": "c9", "item": seal}]}
    assert input_items([AIMessage("kept", additional_kwargs={"responses": kept})]) == [
        {"role": "assistant", "content": "kept"}
    ]


def test_pictures_and_files_have_their_parts() -> None:
    data = base64.b64encode(b"png").decode()
    content = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:..."}},
    ]
    assert input_items([HumanMessage(content)]) == [  # type: ignore[arg-type]
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "look"},
                {
                    "type": "input_image",
                    "image_url": f"data:image/png;base64,{data}",
                    "detail": "auto",
                },
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:..."},
            ],
        }
    ]


def test_tools_as_json_work_here_too() -> None:
    body = body_of(lane(tool_format="json"), tools=[convert_to_openai_tool(get_weather)])
    assert "tools" not in body
    assert "get_weather" in body["input"][0]["content"]
    assert body["text"]["format"]["type"] == "json_schema"
    assert body["text"]["format"]["name"] == "reply"


def test_what_this_api_has_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="no stop sequences"):
        build_body(lane(), URL, [HumanMessage("?")], stop=["\n"], options={})
    with pytest.raises(ConfigError, match="no several choices"):
        body_of(lane(), n=2)


def test_equal_calls_make_equal_bytes_and_the_background_is_asked_for() -> None:
    import json

    made = [json.dumps(body_of(lane(background=True), max_tokens=3)) for _ in range(2)]
    assert made[0] == made[1]
    body = json.loads(made[0])
    assert body["background"] is True
    assert body["store"] is True
