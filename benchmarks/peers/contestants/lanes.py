"""agentlanes. `verify="skip"` is no contestant: it verifies nothing."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.tools import BaseTool
from langgraph.checkpoint.memory import InMemorySaver

from agentlanes import build_agent
from agentlanes.bench.bfcl_calls import Call
from benchmarks.peers.contestants.base import Contestant, Turn
from benchmarks.peers.stage import Stage

__all__ = ["CONTESTANTS"]


class _Lanes:
    """Runs an agent, each turn on a thread of its own: the conversation is passed in."""

    def __init__(self, stage: Stage, tools: list[BaseTool], options: dict[str, Any]) -> None:
        self._saver = InMemorySaver()
        self._agent = build_agent(
            stage.model("act"), stage.model("reason"), tools, checkpointer=self._saver, **options
        )

    async def turn(self, messages: Sequence[BaseMessage]) -> Turn:
        """Carry out the last user message."""
        thread = uuid.uuid4().hex
        config: Any = {"configurable": {"thread_id": thread}}
        try:
            done = await self._agent.ainvoke({"messages": list(messages)}, config)
        finally:
            await self._saver.adelete_thread(thread)
        calls = [Call(one["tool"], one["args"]) for one in done["committed"]]
        return Turn(messages=done["messages"], calls=calls)


def _with(**options: Any) -> Contestant:
    return lambda stage, tools: _Lanes(stage, tools, options)


CONTESTANTS: dict[str, Contestant] = {
    "agentlanes-serial": _with(max_run_ahead=0, planning="never"),
    "agentlanes-approve": _with(planning="never"),
    "agentlanes-match": _with(verify="match", planning="never"),
    "agentlanes-plan": _with(planning="always"),
}
