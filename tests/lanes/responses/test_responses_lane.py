from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool

from agentlanes import build_agent, run_sync
from agentlanes.config import Settings
from agentlanes.errors import (
    DeadlineExceeded,
    EndpointOverloaded,
    EndpointUnreachable,
    IncompleteReply,
    LaneError,
    MalformedReply,
    ReplyBlocked,
)
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.lane import Lane, Timers
from agentlanes.lanes.structured import ask_structured
from agentlanes.testing import EndpointServer, Fault, Reply, on_requests

FULL = Reply(
    reasoning="The user asks for the weather.",
    content="Let me see.",
    tool_calls=[("get_weather", {"city": "Zürich"})],
    service_tier="flex",
    reports={"metrics": {"queue_time_ms": 12.5}},
)
QUICK = Timers(connect_s=2, first_token_s=0.3, progress_s=0.3, total_s=5)


@tool
def get_weather(city: str) -> str:
    """Current weather of a city."""
    return f"21 degrees in {city}"


def model_at(base_url: str, **fields: Any) -> LaneChatModel:
    lane = Lane("m", base_url=base_url, api="responses", **fields)
    return LaneChatModel.from_lane(lane, "act", Settings())


async def test_the_message_is_the_same_whole_streamed_and_without_a_loop() -> None:
    server = EndpointServer(lambda body: FULL)
    with server.serve_in_thread():
        model = model_at(server.base_url)
        invoked = await model.ainvoke("?")
        merged: Any = None
        async for chunk in model.astream("?"):
            merged = chunk if merged is None else merged + chunk
        flat = model_at(server.base_url, extra_body={"stream": False})
        unstreamed = await flat.ainvoke("?")
        await model.aclose()
        await flat.aclose()
    for message in (invoked, merged, unstreamed):
        assert message.text == "Let me see."
        (call,) = message.tool_calls
        assert (call["name"], call["args"]) == ("get_weather", {"city": "Zürich"})
        assert message.additional_kwargs["reasoning_content"] == "The user asks for the weather."
        (kept,) = message.additional_kwargs["responses"]["reasoning"]
        assert kept["item"]["encrypted_content"].startswith("sealed-")
        assert message.usage_metadata is not None
        meta = message.response_metadata
        assert meta["finish_reason"] == "tool_calls"
        assert meta["service_tier"] == "flex"
        assert meta["reply_id"].startswith("resp_")
        assert meta["server_reports"] == {"metrics": {"queue_time_ms": 12.5}}
        assert meta["agentlanes_times"]["queue_ms"] >= 12.5
    times = invoked.response_metadata["agentlanes_times"]
    assert times["first_reasoning_ms"] <= times["first_content_ms"] <= times["first_tool_arg_ms"]
    assert unstreamed.response_metadata["agentlanes_times"]["first_content_ms"] is None


def test_without_an_event_loop() -> None:
    server = EndpointServer(lambda body: FULL)
    with server.serve_in_thread():
        model = model_at(server.base_url)
        assert model.invoke("?").text == "Let me see."
        assert "".join(chunk.text for chunk in model.stream("?")) == "Let me see."


async def test_reasoning_goes_back_with_the_next_turn() -> None:
    def script(body: dict[str, Any]) -> Reply:
        return Reply(content="21 degrees.") if body["messages"][-1]["role"] == "tool" else FULL

    async with EndpointServer(script) as server:
        model = model_at(server.base_url).bind_tools([get_weather])
        first = await model.ainvoke("?")
        call_id = first.tool_calls[0]["id"]
        done = ToolMessage("21", tool_call_id=call_id)
        answer = await model.ainvoke([HumanMessage("?"), first, done])
        seal = first.additional_kwargs["responses"]["reasoning"][0]["item"]
        sent = server.requests[-1].body["input"]
    assert answer.text == "21 degrees."
    kinds = [item.get("type", item.get("role")) for item in sent]
    assert kinds == ["user", "reasoning", "message", "function_call", "function_call_output"]
    assert sent[1] == seal
    assert sent[3]["call_id"] == sent[4]["call_id"] == call_id


async def test_structured_replies() -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    async with EndpointServer(lambda body: Reply(content='{"ok": true}')) as server:
        got = await ask_structured(
            model_at(server.base_url), [HumanMessage("?")], schema, name="answer"
        )
        form = server.requests[0].body["text"]["format"]
    assert got.value == {"ok": True}
    assert form == {"type": "json_schema", "name": "answer", "schema": schema, "strict": False}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(kind="no_finish"), IncompleteReply),
        (Fault(kind="cut", after_chunks=6), IncompleteReply),
        (Fault(kind="bad_json", after_chunks=6), MalformedReply),
        (Fault(kind="bad_utf8", after_chunks=6), MalformedReply),
        (Fault(kind="html"), MalformedReply),
        (Fault(kind="json_empty"), MalformedReply),
        (Fault(kind="no_choices"), MalformedReply),
        (Fault(kind="error_data"), EndpointOverloaded),
        (Fault(kind="error_event"), EndpointOverloaded),
        (Fault(kind="refusal"), ReplyBlocked),
        (Fault(kind="content_filter"), ReplyBlocked),
        (Fault(kind="exhausted"), IncompleteReply),
        (Fault(kind="cut_args", after_bytes=5), MalformedReply),
        (Fault(kind="hostile_args", case=13), MalformedReply),
        (Fault(kind="empty_deltas"), DeadlineExceeded),
        (Fault(kind="stall", after_chunks=6), DeadlineExceeded),
        (Fault(kind="status", status=503), EndpointOverloaded),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
@pytest.mark.parametrize("streamed", [True, False])
async def test_every_fault_is_a_typed_error(
    fault: Fault, error: type[LaneError], streamed: bool
) -> None:
    if not streamed and fault.kind == "empty_deltas":
        pytest.skip("a body that is not streamed has no deltas")
    timers = QUICK if streamed else Timers(connect_s=2, first_token_s=1, progress_s=1, total_s=0.5)
    if error is not DeadlineExceeded:  # a busy machine must not be taken for the fault
        timers = Timers(connect_s=10, first_token_s=10, progress_s=10, total_s=10)
    more: dict[str, Any] = {} if streamed else {"extra_body": {"stream": False}}
    async with EndpointServer(lambda body: FULL, faults=on_requests(fault)) as server:
        model = model_at(server.base_url, timers=timers, max_attempts=1, **more)
        # a connection that breaks in a whole body is one that gave no answer
        with pytest.raises((error, EndpointUnreachable) if fault.kind == "cut" else error):
            await model.ainvoke("?")
        assert len(server.requests) == 1


async def test_a_reply_that_used_its_whole_cap_is_not_trusted_unless_the_server_says_so() -> None:
    reply = Reply(content="cut off in the", usage={"prompt_tokens": 5, "completion_tokens": 4})
    async with EndpointServer(lambda body: reply) as server:
        with pytest.raises(IncompleteReply, match="took all of its 4 tokens"):
            await model_at(server.base_url, max_tokens=4).ainvoke("?")
        with pytest.raises(IncompleteReply):
            await model_at(server.base_url, max_tokens=4, server="llama.cpp").ainvoke("?")
        trusted = await model_at(server.base_url, max_tokens=4, server="openai").ainvoke("?")
        assert trusted.text == "cut off in the"
        assert (await model_at(server.base_url, max_tokens=5).ainvoke("?")).text == trusted.text


async def test_a_passing_failure_is_tried_again() -> None:
    faults = on_requests(Fault(kind="error_event"), 1)
    async with EndpointServer(lambda body: FULL, faults=faults) as server:
        message = await model_at(server.base_url).ainvoke("?")
        assert message.response_metadata["agentlanes_times"]["attempts"] == 2


async def test_the_key_is_never_quoted() -> None:
    key = "sk-proj-secret"
    reply = Reply(error={"code": "invalid_prompt", "message": f"the key {key} may not do this"})
    async with EndpointServer(lambda body: reply) as server:
        with pytest.raises(LaneError) as raised:
            await model_at(server.base_url, api_key=key).ainvoke("?")
    assert key not in str(raised.value)
    assert "***" in str(raised.value)


def test_a_whole_agent_runs_on_it() -> None:
    def act(body: dict[str, Any]) -> Reply:
        if "Write the final answer" in str(body["messages"][0]["content"]):
            return Reply(content="It is 21 degrees in Zürich.")
        if any(m["role"] == "tool" for m in body["messages"]):
            return Reply(content="done")
        return Reply(tool_calls=[("get_weather", {"city": "Zürich"})])

    def reason(body: dict[str, Any]) -> Reply:
        return Reply(reasoning="Fine.", content='{"verdict": "approve", "reason": "right"}')

    server = EndpointServer({"act": act, "reason": reason})
    with server.serve_in_thread():
        agent = build_agent(
            act=Lane("act", base_url=server.base_url, api="responses"),
            reason=Lane("reason", base_url=server.base_url, api="responses"),
            tools=[get_weather],
        )
        result = run_sync(agent, {"messages": [HumanMessage("How warm is it in Zürich?")]})
    assert result["answer"] == "It is 21 degrees in Zürich."
    assert {log.api for log in server.requests} == {"responses"}
    assert isinstance(result["messages"][-1], AIMessage)
