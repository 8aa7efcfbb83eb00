"""agentlanes. `verify="skip"` is no contestant: it verifies nothing.

The two serial ones are the same agents with nothing running ahead: what is gained over them is
gained by running ahead alone.
"""

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

__all__ = ["CONTESTANTS", "ahead"]


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


_OPTIONS: dict[str, dict[str, Any]] = {
    "agentlanes-serial": {"max_run_ahead": 0, "planning": "never"},
    "agentlanes-plan-serial": {"max_run_ahead": 0, "planning": "always"},
    "agentlanes-approve": {"planning": "never"},
    "agentlanes-match": {"verify": "match", "planning": "never"},
    "agentlanes-plan": {"planning": "always"},
}


def ahead(name: str, depth: int) -> Contestant:
    """Give a contestant with another depth of run-ahead than its own."""
    return _with({**_OPTIONS[name], "max_run_ahead": depth})


def _with(options: dict[str, Any]) -> Contestant:
    return lambda stage, tools: _Lanes(stage, tools, options)


CONTESTANTS: dict[str, Contestant] = {name: _with(options) for name, options in _OPTIONS.items()}
