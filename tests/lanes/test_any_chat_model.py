"""A lane may be any chat model; what it does not report is unknown, not zero."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import (
    BaseChatModel,
    FakeListChatModel,
    FakeMessagesListChatModel,
    GenericFakeChatModel,
    LanguageModelInput,
)
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import tool

from agentlanes import build_agent, run_sync
from agentlanes.errors import ConfigError

QUESTION = "How warm is it in Paris?"
CALL = ToolCall(name="get_weather", args={"city": "Paris"}, id="c", type="tool_call")
APPROVE = json.dumps({"verdict": "approve", "reason": "right"})


@tool
def get_weather(city: str) -> str:
    """Current weather of a city."""
    return f"21 degrees in {city}"


class Mute(BaseChatModel):
    """Reports nothing at all: no usage, no metadata, no stream, and it is not even asynchronous."""

    lane: str

    @property
    def _llm_type(self) -> str:
        return "mute"

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[t.name for t in tools if hasattr(t, "name")])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._reply(messages))])

    def _reply(self, messages: list[BaseMessage]) -> AIMessage:
        if self.lane == "reason":
            return AIMessage(APPROVE)
        if "Write the final answer" in messages[0].text:
            return AIMessage("It is 21 degrees.")
        if any(message.type == "tool" for message in messages):
            return AIMessage("done")
        return AIMessage("", tool_calls=[CALL])


class Deaf(Mute):
    """Cannot be given tools."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


def run(act: BaseChatModel, reason: BaseChatModel, **options: Any) -> dict[str, Any]:
    agent = build_agent(act=act, reason=reason, **options)
    return run_sync(agent, {"messages": [HumanMessage(QUESTION)]})


def unknown(record: dict[str, Any]) -> set[str]:
    known = {"tier", "queue_ms", "first_reasoning_ms", "first_content_ms", "first_tool_arg_ms"}
    return {name for name in (*known, "attempts", "model") if record[name] is None}


def test_a_model_that_reports_nothing_is_a_lane() -> None:
    result = run(Mute(lane="act"), Mute(lane="reason"), tools=[get_weather])
    assert result["answer"] == "It is 21 degrees."
    records = [record for record in result["steps"] if record["lane"] is not None]
    assert {record["node"] for record in records} >= {"act", "reason", "deliver"}
    for record in records:
        if record["duration_ms"] is None:
            continue  # it gave no plan: what is known of it is what the error said
        assert unknown(record) == {
            "tier",
            "queue_ms",
            "first_reasoning_ms",
            "first_content_ms",
            "first_tool_arg_ms",
            "attempts",
            "model",
        }
        assert set(record["tokens"].values()) == {None}
        assert record["duration_ms"] is not None


@pytest.mark.parametrize("streams", [True, False], ids=["streams", "whole"])
def test_langchains_own_fakes_are_lanes(streams: bool) -> None:
    if streams:
        act: BaseChatModel = GenericFakeChatModel(messages=iter(["42.", "The answer is 42."]))
    else:
        act = FakeMessagesListChatModel(
            responses=[AIMessage("42."), AIMessage("The answer is 42.")]
        )
    reason = FakeListChatModel(responses=[APPROVE])
    result = run(act, reason)
    assert result["answer"] == "The answer is 42."
    assert all(set(r["tokens"].values()) == {None} for r in result["steps"] if r["lane"])


def test_a_fake_that_calls_tools() -> None:
    # GenericFakeChatModel would not do: its own stream leaves tool calls out.
    class Calling(FakeMessagesListChatModel):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return self

    said: list[Any] = [
        AIMessage("", tool_calls=[CALL]),
        AIMessage("done"),
        AIMessage("21 degrees."),
    ]
    result = run(
        Calling(responses=said),
        FakeListChatModel(responses=[APPROVE]),
        tools=[get_weather],
        planning="never",  # a plan would take two of the replies
    )
    assert result["answer"] == "21 degrees."
    assert [m.name for m in result["messages"] if m.type == "tool"] == ["get_weather"]


def test_a_model_without_tool_calling_is_said_when_the_agent_is_built() -> None:
    with pytest.raises(ConfigError, match="act lane cannot call tools"):
        build_agent(act=Deaf(lane="act"), reason=Mute(lane="reason"), tools=[get_weather])
    run(Mute(lane="act"), Deaf(lane="reason"), tools=[get_weather])
    with pytest.raises(ConfigError, match="reason lane cannot call tools"):
        build_agent(
            act=Mute(lane="act"), reason=Deaf(lane="reason"), tools=[get_weather], verify="match"
        )
