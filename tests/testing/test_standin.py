from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import validate

from agentlanes.lanes import tool_json
from agentlanes.plan import VERDICT_SCHEMA, plan_schema
from agentlanes.testing import StandIn
from agentlanes.testing.sample import Words, sample


def tool(name: str, about: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    function = {"name": name, "description": about, "parameters": parameters}
    return {"type": "function", "function": function}


WEATHER = tool("get_weather", "Current weather of a city.", city={"type": "string"})
MAIL = tool("send_mail", "Send a message.", to={"type": "string"}, text={"type": "string"})
TOOLS = [WEATHER, MAIL]


def ask(text: str, *more: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}, *more], **fields}


def called(call_id: str, name: str, result: str, args: str = "{}") -> list[dict[str, Any]]:
    function = {"name": name, "arguments": args}
    call = {"id": call_id, "type": "function", "function": function}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call_id, "content": result},
    ]


def test_it_calls_the_tool_that_is_meant_once_and_then_says_what_was_found() -> None:
    text = "What is the weather in Paris?"
    first = StandIn()(ask(text, tools=TOOLS))
    assert list(first.tool_calls) == [("get_weather", {"city": "Paris"})]
    second = StandIn()(ask(text, *called("c", "get_weather", "21 degrees"), tools=TOOLS))
    assert list(second.tool_calls) == []
    assert second.content == "Here is what I found. get_weather: 21 degrees"


def test_it_takes_arguments_from_the_request_in_their_order() -> None:
    text = 'Please send a mail to "ada@example.org" that says "see you at nine".'
    (call,) = StandIn()(ask(text, tools=TOOLS)).tool_calls
    assert call == ("send_mail", {"to": "ada@example.org", "text": "see you at nine"})


def test_what_an_earlier_call_had_is_used_up() -> None:
    text = "Weather in Paris, then a mail to Ada."
    done = called("c", "get_weather", "21", json.dumps({"city": "Paris"}))
    (call,) = StandIn()(ask(text, *done, tools=TOOLS)).tool_calls
    assert call[1]["to"] == "Ada"


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ("none", None),
        ("auto", None),
        ("required", "get_weather"),
        ({"type": "function", "function": {"name": "send_mail"}}, "send_mail"),
    ],
)
def test_it_honours_the_tool_choice(choice: Any, name: str | None) -> None:
    reply = StandIn()(ask("Good morning", tools=TOOLS, tool_choice=choice))
    assert [called_name for called_name, _ in reply.tool_calls] == ([name] if name else [])
    assert reply.content == (None if name else "You said: Good morning")


def schema_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


def test_it_approves_and_plans_under_a_schema() -> None:
    verdict = StandIn()(ask("Judge this.", response_format=schema_of(VERDICT_SCHEMA)))
    assert json.loads(verdict.content or "")["verdict"] == "approve"
    schema = plan_schema({t["function"]["name"]: t["function"]["parameters"] for t in TOOLS})
    plan = StandIn()(ask("Weather in Paris?", response_format=schema_of(schema)))
    value = json.loads(plan.content or "")
    validate(value, schema)
    assert value["steps"] == [{"tool": "get_weather", "args": {"city": "Paris"}}]


def test_it_calls_tools_as_json_and_stops() -> None:
    offer = tool_json.offered(TOOLS)
    assert offer is not None
    form = tool_json.response_format(offer)
    text = "Weather in Paris?"
    first = json.loads(StandIn()(ask(text, response_format=form)).content or "")
    assert first == {"tool": "get_weather", "args": {"city": "Paris"}}
    said = {"role": "assistant", "content": json.dumps(first)}
    result = {"role": "user", "content": "Result of get_weather: 21"}
    last = json.loads(StandIn()(ask(text, said, result, response_format=form)).content or "")
    assert "final_answer" in last


def test_it_reports_what_a_cache_would_hold() -> None:
    model, long = StandIn(), "word " * 400
    cached = [
        model(ask(long)).usage["prompt_tokens_details"]["cached_tokens"]  # type: ignore[index]
        for _ in range(2)
    ]
    assert cached[0] == 0
    assert cached[1] > 400
    assert StandIn(caches=False)(ask(long)).usage is None


def test_reasoning_is_given_where_asked_for() -> None:
    assert StandIn()(ask("hi")).reasoning is None
    assert "hi" in (StandIn(reasoning=True)(ask("hi")).reasoning or "")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "enum": ["a", "b"]},
        {"type": "integer", "minimum": 5, "maximum": 9},
        {"type": "number"},
        {"type": ["string", "null"]},
        {"type": "array", "items": {"type": "integer"}, "minItems": 2},
        {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
        {"$defs": {"x": {"const": 3}}, "$ref": "#/$defs/x"},
        {
            "type": "object",
            "properties": {"a": {"type": "object", "properties": {}}, "b": {"default": 7}},
            "required": ["a", "b"],
        },
        {"type": "string", "maxLength": 4},
    ],
)
def test_samples_fit_their_schema(schema: dict[str, Any]) -> None:
    validate(sample(schema, Words.of('It is 3 "or so" in Paris')), schema)
