from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlanes.errors import (
    AgentLanesError,
    EndpointOverloaded,
    EndpointRefused,
    IncompleteReply,
    LaneError,
    MalformedReply,
    ReplyBlocked,
)
from agentlanes.lanes.responses.events import ResponseBuilder
from agentlanes.lanes.stream import Delta, Reply
from agentlanes.testing import Reply as Scripted
from agentlanes.testing._responses import response_events, response_object
from agentlanes.testing.hostile import HOSTILE_ARGUMENTS

BODY = {"model": "m", "input": "?", "include": ["reasoning.encrypted_content"]}
FULL = Scripted(
    reasoning="Two things are asked for.",
    content="I look both up.",
    tool_calls=[("get_weather", {"city": "Zürich"}), ("get_time", {})],
    service_tier="flex",
    reports={"metrics": {"queue_time_ms": 12.5}},
)


def events_of(reply: Scripted) -> list[dict[str, Any]]:
    return [event for _, event in response_events(reply, BODY)]


def read(events: list[Any]) -> tuple[Reply, list[Delta]]:
    builder = ResponseBuilder(model="m", no_arguments=frozenset({"get_time"}))
    deltas = [delta for event in events if (delta := builder.feed(event)) is not None]
    return builder.finish(), deltas


def finished(builder: ResponseBuilder, given: list[dict[str, Any]]) -> Reply:
    for each in given:
        (builder.feed if "type" in each else builder.feed_whole)(each)
    return builder.finish()


def test_a_stream_and_a_whole_response_give_the_same_reply() -> None:
    streamed, deltas = read(events_of(FULL))
    builder = ResponseBuilder(model="m", no_arguments=frozenset({"get_time"}))
    delta = builder.feed_whole(response_object(FULL, BODY))
    assert builder.finish() == streamed
    assert streamed.content == "I look both up."
    assert streamed.reasoning == "Two things are asked for."
    assert [(call["name"], call["args"]) for call in streamed.tool_calls] == [
        ("get_weather", {"city": "Zürich"}),
        ("get_time", {}),
    ]
    assert streamed.finish_reason == "tool_calls"
    assert streamed.service_tier == "flex"
    assert streamed.reports == {"metrics": {"queue_time_ms": 12.5}}
    assert streamed.usage is not None
    assert streamed.usage["output_token_details"] == {"reasoning": 7}
    assert "".join(d.content for d in deltas) == "I look both up."
    assert delta is not None
    assert [call.name for call in delta.calls] == ["get_weather", "get_time"]


def test_reasoning_is_kept_with_what_it_led_to_if_it_can_be_sent_again() -> None:
    reply, _ = read(events_of(FULL))
    assert reply.kept is not None
    (entry,) = reply.kept["reasoning"]
    assert entry["before"] == "text"
    assert entry["item"]["type"] == "reasoning"
    assert entry["item"]["encrypted_content"].startswith("sealed-")
    unsealed = [event for _, event in response_events(FULL, {"model": "m", "input": "?"})]
    assert read(unsealed)[0].kept is None


@given(st.integers(min_value=0, max_value=len(events_of(FULL)) - 1))
def test_nothing_counts_before_the_response_is_complete(cut: int) -> None:
    with pytest.raises(IncompleteReply):
        read(events_of(FULL)[:cut])


@pytest.mark.parametrize("arguments", HOSTILE_ARGUMENTS, ids=range(len(HOSTILE_ARGUMENTS)))
@pytest.mark.parametrize("streamed", [True, False])
def test_hostile_arguments_never_become_a_call(arguments: str, streamed: bool) -> None:
    reply = Scripted(tool_calls=[("get_weather", arguments)])
    builder = ResponseBuilder(model="m")
    with pytest.raises(MalformedReply):
        finished(builder, events_of(reply) if streamed else [response_object(reply, BODY)])


@pytest.mark.parametrize(
    ("reply", "error", "says"),
    [
        (Scripted(content="half", finish_reason="length"), IncompleteReply, "max_tokens"),
        (
            Scripted(reasoning="on and on", finish_reason="length"),
            IncompleteReply,
            "all of it was reasoning",
        ),
        (Scripted(content="x", finish_reason="content_filter"), ReplyBlocked, "content_filter"),
        (Scripted(refusal="I will not."), ReplyBlocked, "I will not."),
    ],
)
def test_what_is_cut_or_declined_is_typed(
    reply: Scripted, error: type[LaneError], says: str
) -> None:
    with pytest.raises(error, match=says):
        read(events_of(reply))


@pytest.mark.parametrize(
    ("code", "error", "status"),
    [
        ("server_error", EndpointOverloaded, None),
        ("rate_limit_exceeded", EndpointOverloaded, 429),
        ("invalid_prompt", EndpointRefused, None),
        ("context_length_exceeded", EndpointRefused, None),
        ("bio_policy", ReplyBlocked, None),
    ],
)
@pytest.mark.parametrize("as_event", [True, False])
def test_failures_are_typed(
    code: str, error: type[LaneError], status: int | None, as_event: bool
) -> None:
    said = {"code": code, "message": "because of this"}
    failed = {"id": "r", "status": "failed", "error": said, "output": []}
    events = events_of(FULL)[:4]
    last = {"type": "error", **said} if as_event else {"type": "response.failed"}
    with pytest.raises(error, match="because of this") as raised:
        read([*events, last if as_event else {**last, "response": failed | {"id": None}}])
    assert raised.value.status == status


def test_a_stream_that_says_something_else_than_its_response_is_refused() -> None:
    *events, last = events_of(Scripted(content="yes"))
    other = json.loads(json.dumps(last).replace('"text": "yes"', '"text": "no"'))
    with pytest.raises(MalformedReply, match="not the response's"):
        read([*events, other])
    *events, last = events_of(Scripted(tool_calls=[("pay", {"sum": 1})]))
    other = json.loads(json.dumps(last).replace(r"{\"sum\": 1}", r"{\"sum\": 100}"))
    with pytest.raises(MalformedReply, match="not the response's"):
        read([*events, other])


def test_what_only_the_last_event_says_is_a_delta_too() -> None:
    reply, deltas = read([events_of(FULL)[0], events_of(FULL)[-1]])
    assert "".join(d.content for d in deltas) == reply.content == "I look both up."
    assert [c.name for d in deltas for c in d.calls] == ["get_weather", "get_time"]


def test_a_response_that_leaves_its_output_out_is_read_from_its_items() -> None:
    *events, last = events_of(FULL)
    bare = {**last, "response": {**last["response"], "output": []}}
    assert read([*events, bare])[0].tool_calls == read(events_of(FULL))[0].tool_calls
    with pytest.raises(MalformedReply, match="no output"):
        read([bare])


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {"type": 3},
        {"choices": [{"delta": {"content": "hi"}}]},
        {"type": "response.output_text.delta", "delta": 3},
        {"type": "response.function_call_arguments.delta", "output_index": 7, "delta": "{"},
        {"type": "response.output_item.added", "item": None},
        {"type": "response.completed", "response": {"status": "incomplete", "output": []}},
        {"type": "response.in_progress", "response": {"status": "completed", "output": []}},
        {"type": "response.completed", "response": {"id": "another", "status": "completed"}},
    ],
)
def test_an_event_that_is_none_is_refused(event: Any) -> None:
    with pytest.raises(MalformedReply):
        read([*events_of(FULL)[:5], event])


def test_what_no_lane_can_carry_out_is_refused() -> None:
    item = {"type": "computer_call", "id": "x", "call_id": "c"}
    body = {"id": "r", "status": "completed", "output": [item]}
    builder = ResponseBuilder(model="m")
    with pytest.raises(MalformedReply, match="computer_call"):
        builder.feed_whole(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["type", "response", "status", "output", "item", "delta", "id", "output_index",
             "content", "text", "summary", "arguments", "name", "call_id", "error", "usage"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip
kinds = st.sampled_from([event["type"] for event in events_of(FULL)] + ["error", "response.failed"])


@given(st.lists(st.tuples(kinds, st.dictionaries(st.text(max_size=8), json_values)), max_size=6))
def test_no_stream_crashes_the_reader(noise: list[tuple[str, dict[str, Any]]]) -> None:
    builder = ResponseBuilder(model="m")
    try:
        for kind, fields in noise:
            builder.feed({**fields, "type": kind})
        builder.finish()
    except AgentLanesError:
        pass


@given(json_values)
def test_no_body_crashes_the_reader(body: Any) -> None:
    builder = ResponseBuilder(model="m")
    try:
        builder.feed_whole(body)
        builder.finish()
    except AgentLanesError:
        pass
