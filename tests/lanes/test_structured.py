from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from agentlanes.config import Settings
from agentlanes.errors import IncompleteReply, MalformedReply
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.lane import Lane
from agentlanes.lanes.structured import ask_structured, parse_structured
from agentlanes.testing import EndpointServer, Reply, ScriptedModel

SCHEMA = {
    "title": "verdict",
    "type": "object",
    "properties": {
        "verdict": {"enum": ["approve", "reject"]},
        "reason": {"type": "string"},
    },
    "required": ["verdict", "reason"],
    "additionalProperties": False,
}
GOOD = '{"verdict": "approve", "reason": "fits"}'
ASK: list[BaseMessage] = [SystemMessage("Judge."), HumanMessage("This?")]
BAD = [
    "approve",
    '{"verdict": "maybe", "reason": "x"}',
    '{"verdict": "approve"}',
    '{"verdict": "reject", "verdict": "approve", "reason": "x"}',
    '{"verdict": "approve", "reason": NaN}',
    f"Sure! {GOOD}",
    f"[{GOOD}]",
    "",
]


def lane_of(server: EndpointServer, **fields: Any) -> LaneChatModel:
    lane = Lane("m", base_url=server.base_url, **fields)
    return LaneChatModel.from_lane(lane, "reason", Settings())


def replying(texts: Sequence[str]) -> ScriptedModel:
    return ScriptedModel(script=[AIMessage(text) for text in texts])


async def test_an_endpoint_that_enforces_schemas_gets_the_schema() -> None:
    async with EndpointServer(lambda body: Reply(content=GOOD)) as server:
        reply = await ask_structured(lane_of(server), ASK, SCHEMA, name="verdict")
        body = server.requests[0].body
    assert reply.value == {"verdict": "approve", "reason": "fits"}
    assert not reply.repaired
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "verdict", "schema": SCHEMA, "strict": False},
    }
    assert [m["content"] for m in body["messages"]] == ["Judge.", "This?"]


async def test_another_endpoint_is_told_the_schema() -> None:
    async with EndpointServer(lambda body: Reply(content=f"```json\n{GOOD}\n```")) as server:
        model = lane_of(server, structured="prompt")
        reply = await ask_structured(model, ASK, SCHEMA, name="verdict")
        body = server.requests[0].body
    assert reply.value["verdict"] == "approve"
    assert "response_format" not in body
    assert body["messages"][0]["content"].startswith("Judge.\n\n")
    assert '"additionalProperties"' in body["messages"][0]["content"]
    assert body["messages"][1]["content"] == "This?"


@pytest.mark.parametrize("bad", BAD)
async def test_one_repair_quotes_the_error(bad: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as wrong:
        parse_structured(bad, SCHEMA)
    model = replying([bad, GOOD])
    reply = await ask_structured(model, ASK, SCHEMA, name="verdict")
    assert reply.value == {"verdict": "approve", "reason": "fits"}
    assert reply.repaired
    first, second = (call.messages for call in model.calls)
    assert second[: len(first)] == first
    assert second[-2].text == bad
    assert str(wrong.value) in second[-1].text


@pytest.mark.parametrize("bad", BAD)
async def test_after_the_repair_it_gives_up(bad: str) -> None:
    model = replying([bad, bad, GOOD])
    with pytest.raises(MalformedReply, match="verdict"):
        await ask_structured(model, ASK, SCHEMA, name="verdict")
    assert len(model.calls) == 2


async def test_a_repair_counts_both_calls() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}

    def script(body: dict[str, Any]) -> Reply:
        return Reply(content=GOOD if len(body["messages"]) > 2 else "no", usage=usage)

    async with EndpointServer(script) as server:
        reply = await ask_structured(lane_of(server), ASK, SCHEMA, name="verdict")
    assert reply.repaired
    assert reply.message.usage_metadata is not None
    assert reply.message.usage_metadata["input_tokens"] == 20
    times = reply.message.response_metadata["agentlanes_times"]
    assert times["attempts"] == 2
    assert times["first_content_ms"] < times["duration_ms"]
    assert times["first_tool_arg_ms"] is None


async def test_a_failing_lane_is_not_repaired() -> None:
    async with EndpointServer(lambda body: Reply(content=GOOD, finish_reason="length")) as server:
        with pytest.raises(IncompleteReply):
            await ask_structured(lane_of(server), ASK, SCHEMA, name="verdict")
        assert len(server.requests) == 1


async def test_the_json_tool_format_does_not_touch_a_structured_reply() -> None:
    async with EndpointServer(lambda body: Reply(content=GOOD)) as server:
        model = lane_of(server, tool_format="json")
        reply = await ask_structured(model, ASK, SCHEMA, name="verdict")
        sent = server.requests[0].body["response_format"]["json_schema"]
    assert reply.value["reason"] == "fits"
    assert sent["name"] == "verdict"
