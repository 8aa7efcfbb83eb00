from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from agentlanes.config import Settings
from agentlanes.errors import MalformedReply
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.lane import Lane
from agentlanes.testing import EndpointServer, Reply

OPTIONAL = {"type": "object", "properties": {"city": {"type": "string"}}}


@pytest.mark.parametrize(
    ("parameters", "accepted"),
    [
        pytest.param({}, True, id="none are named"),
        pytest.param({"type": "object", "properties": {}}, True, id="there are none"),
        pytest.param({**OPTIONAL, "required": ["city"]}, False, id="one is required"),
        pytest.param(OPTIONAL, False, id="one may be given"),
        pytest.param({"anyOf": [OPTIONAL, {"type": "object"}]}, False, id="one form has one"),
        pytest.param(
            {"type": "object", "additionalProperties": {"type": "string"}}, False, id="free names"
        ),
    ],
)
async def test_empty_arguments_are_a_call_only_of_a_tool_without_parameters(
    parameters: dict[str, Any], accepted: bool
) -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": parameters}}
    reply = Reply(tool_calls=[("weather", "")])
    async with EndpointServer(lambda body: reply) as server:
        lane = Lane("m", base_url=server.base_url, max_attempts=1)
        model = LaneChatModel.from_lane(lane, "act", Settings())
        bound = model.bind_tools([tool])
        if accepted:
            said = await bound.ainvoke([HumanMessage("?")])
            assert [(call["name"], call["args"]) for call in said.tool_calls] == [("weather", {})]
        else:
            with pytest.raises(MalformedReply, match="weather"):
                await bound.ainvoke([HumanMessage("?")])
