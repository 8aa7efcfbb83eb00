"""A ReAct loop with per-step overlap.

After Speculative Actions (Ye et al., 2025, arXiv:2510.04371).

While the reasoning endpoint decides a step, the act endpoint guesses it. A guess without an
effect is called at once, and the reasoning endpoint is asked for the step after it as if the
guess were right. When the decision comes and is the same call, both count; else they are dropped.
One step is looked ahead, as in the paper.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import BaseTool

from agentlanes.speculation.effects import effect_of
from benchmarks.peers.contestants.base import Contestant, Turn, calls_in
from benchmarks.peers.items import RUNS_AHEAD
from benchmarks.peers.stage import Stage

__all__ = ["CONTESTANTS"]


class _StepOverlap:
    def __init__(self, stage: Stage, tools: list[BaseTool]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._reason = stage.model("reason").bind_tools(tools)
        self._act = stage.model("act").bind_tools(tools)

    async def turn(self, messages: Sequence[BaseMessage]) -> Turn:
        """Carry out the last user message."""
        said = list(messages)
        deciding: asyncio.Task[Any] = asyncio.create_task(self._reason.ainvoke(said))
        try:
            while True:
                guess = _Guess(self, said)
                try:
                    decided = await deciding
                    if not decided.tool_calls:
                        said.append(decided)
                        return Turn(messages=said, calls=calls_in(said[len(messages) :]))
                    call = decided.tool_calls[0]
                    if guess.same(call):
                        # The call was begun, and the decision after it will be begun with its
                        # result: both are taken over as they are.
                        said.extend(await guess.pair())
                        deciding = guess.hand_over(said)
                    else:
                        await guess.drop()
                        said.extend(await self.make(call))
                        deciding = asyncio.create_task(self._reason.ainvoke(list(said)))
                finally:
                    await guess.drop()
        finally:
            deciding.cancel()
            await asyncio.gather(deciding, return_exceptions=True)

    async def make(self, call: Any) -> list[BaseMessage]:
        """Make a call, and give it with its result as messages."""
        result = await self._tools[call["name"]].ainvoke(call["args"])
        return [
            AIMessage("", tool_calls=[call]),
            ToolMessage(str(result), tool_call_id=call["id"]),
        ]

    async def ask(self, said: Sequence[BaseMessage]) -> Any:
        """Ask the reasoning endpoint for a step."""
        return await self._reason.ainvoke(list(said))

    async def propose(self, said: Sequence[BaseMessage]) -> Any:
        """Ask the act endpoint for a step."""
        return await self._act.ainvoke(list(said))

    def safe(self, call: Any) -> bool:
        """Say whether a call has no effect."""
        return effect_of(self._tools[call["name"]]).effect_class in RUNS_AHEAD


class _Guess:
    """A guessed step that is being made, and the decision after it."""

    def __init__(self, loop: _StepOverlap, said: Sequence[BaseMessage]) -> None:
        self._loop, self._said = loop, list(said)
        self._call: Any = None
        self._made: asyncio.Task[list[BaseMessage]] | None = None
        self._next: asyncio.Task[Any] | None = None
        self._begun = asyncio.create_task(self._begin())

    async def _begin(self) -> None:
        reply = await self._loop.propose(self._said)
        if not reply.tool_calls or not self._loop.safe(reply.tool_calls[0]):
            return
        self._call = reply.tool_calls[0]
        self._made = asyncio.create_task(self._loop.make(self._call))
        pair = await self._made
        self._next = asyncio.create_task(self._loop.ask([*self._said, *pair]))

    def same(self, call: Any) -> bool:
        """Say whether the guess was made, and is the call that was decided."""
        mine = self._call
        return mine is not None and (mine["name"], mine["args"]) == (call["name"], call["args"])

    async def pair(self) -> list[BaseMessage]:
        """Give the call with its result."""
        await self._begun
        assert self._made is not None
        return await self._made

    def hand_over(self, said: Sequence[BaseMessage]) -> asyncio.Task[Any]:
        """Give the decision after it; it is not this guess's any more."""
        task, self._next = self._next, None
        return task or asyncio.create_task(self._loop.ask(said))

    async def drop(self) -> None:
        """End whatever still runs."""
        tasks = [task for task in (self._begun, self._made, self._next) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)


CONTESTANTS: dict[str, Contestant] = {"step-overlap": _StepOverlap}
