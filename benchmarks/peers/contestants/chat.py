"""langchain's `create_agent`: what most people do.

`create_agent-routed` routes by its own middleware as langchain's documentation does in its example
of a dynamic model: the small model, and the large one once the conversation has more than ten
messages (docs.langchain.com/oss/python/langchain/agents, "Dynamic model").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import wrap_model_call
from langchain_core.messages import BaseMessage
from langchain_core.tools import BaseTool

from benchmarks.peers.contestants.base import Contestant, Turn, calls_in
from benchmarks.peers.stage import Stage

__all__ = ["CONTESTANTS", "ChatRunner"]

_LONG = 10


class ChatRunner:
    """Runs a compiled message graph."""

    def __init__(self, agent: Any) -> None:
        self._agent = agent

    async def turn(self, messages: Sequence[BaseMessage]) -> Turn:
        """Carry out the last user message."""
        before = len(messages)
        config = {"recursion_limit": 1000}
        done = (await self._agent.ainvoke({"messages": list(messages)}, config))["messages"]
        return Turn(messages=done, calls=calls_in(done[before:]))


def _plain(lane: str, *, parallel: bool = False) -> Contestant:
    def build(stage: Stage, tools: list[BaseTool]) -> ChatRunner:
        return ChatRunner(create_agent(stage.model(lane, parallel=parallel), tools))

    return build


def _routed(stage: Stage, tools: list[BaseTool]) -> ChatRunner:
    act, reason = stage.model("act"), stage.model("reason")

    @wrap_model_call
    async def by_length(request: Any, handler: Any) -> Any:
        model = reason if len(request.state["messages"]) > _LONG else act
        return await handler(request.override(model=model))

    return ChatRunner(create_agent(act, tools, middleware=[by_length]))


CONTESTANTS: dict[str, Contestant] = {
    "create_agent-reason": _plain("reason"),
    "create_agent-reason-parallel": _plain("reason", parallel=True),
    "create_agent-act": _plain("act"),
    "create_agent-routed": _routed,
}
