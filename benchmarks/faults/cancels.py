"""Row 26: a run is cancelled at each point where a step of it waits, and then resumed."""

from __future__ import annotations

import asyncio
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from agentlanes import build_agent
from agentlanes.testing import ScriptedModel, VirtualClock
from benchmarks.faults.lab import APPROVE, Checks, Row, World

__all__ = ["ROWS"]

_CALLS = (("look", "Paris"), ("look", "Rome"), ("book", "Rome"))
_MOST = 5000
_CONFIG: Any = {"configurable": {"thread_id": "t"}}


class _Run:
    """One agent, one thread, one user turn with two reads and a write."""

    def __init__(self) -> None:
        self.world = World()

        def act(messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
            done = sum(isinstance(message, ToolMessage) for message in messages)
            if "tools" not in kwargs or done >= len(_CALLS):
                return AIMessage("done")
            tool, city = _CALLS[done]
            return AIMessage("", tool_calls=[{"name": tool, "args": {"city": city}, "id": None}])

        self.agent = build_agent(
            ScriptedModel(script=act, latency_s=1),
            ScriptedModel(script=lambda messages, kwargs: APPROVE, latency_s=2),
            self.world.tools(),
            planning="never",
            checkpointer=InMemorySaver(),
        )

    async def until(self, point: int) -> bool:
        """Run, and cancel it after so many turns of the event loop; says whether it had ended."""
        asked = {"messages": [("user", "book the better city")]}
        task = asyncio.create_task(self.agent.ainvoke(asked, _CONFIG))
        for _ in range(point):
            if task.done():
                break
            await asyncio.sleep(0)
            if not task.done() and _idle():
                await asyncio.sleep(0.25)  # nothing is ready: let virtual time pass
        ended = task.done()
        task.cancel()
        await asyncio.wait({task})
        return ended

    async def unanswered(self) -> list[str]:
        """Give the ids of the calls in the saved transcript that no message answers."""
        messages = (await self.agent.aget_state(_CONFIG)).values.get("messages", [])
        asked = [call["id"] for m in messages if isinstance(m, AIMessage) for call in m.tool_calls]
        answered = {m.tool_call_id for m in messages if isinstance(m, ToolMessage)}
        return [name for name in asked if name not in answered]

    async def resume(self) -> dict[str, Any]:
        """Go on where it was cancelled, or begin if nothing was saved yet."""
        state = await self.agent.aget_state(_CONFIG)
        given = None if state.values else {"messages": [("user", "book the better city")]}
        result: dict[str, Any] = await self.agent.ainvoke(given, _CONFIG)
        return result


def _idle() -> bool:
    loop: Any = asyncio.get_running_loop()
    return not loop._ready


async def _at(point: int, checks: Checks) -> bool:
    run = _Run()
    ended = await run.until(point)
    for name in await run.unanswered():
        checks.that(False, f"cancelled at {point}: call {name} has no answer")
    left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
    checks.that(not left, f"cancelled at {point}: {len(left)} tasks are left")
    booked = run.world.ran.count("book Rome")
    result = await run.resume()
    if "__interrupt__" in result:
        # The ledger says that the write had begun: only a person can say what became of it.
        checks.that(booked <= 1, f"cancelled at {point}: booked {booked} times")
        checks.that(
            run.world.ran.count("book Rome") == booked, f"resumed from {point}: booked again"
        )
        return ended
    for name in await run.unanswered():
        checks.that(False, f"resumed from {point}: call {name} has no answer")
    said = [call["tool"] for call in result.get("committed", [])]
    checks.that(result.get("answer") == "done", f"resumed from {point}: no answer")
    checks.that(said == [tool for tool, _ in _CALLS], f"resumed from {point}: {said}")
    booked = run.world.ran.count("book Rome")
    checks.that(booked == 1, f"resumed from {point}: booked {booked} times")
    return ended


async def each_point(checks: Checks) -> None:
    def all_points() -> int:
        for point in range(_MOST):
            if VirtualClock.run(_at(point, checks)):
                return point
        checks.that(False, f"the run has more than {_MOST} points")
        return _MOST

    points = await asyncio.to_thread(all_points)
    checks.saw(f"{points} points; every call answered, every run resumed to its end")


ROWS = (
    Row(
        number=26,
        name="cancel at each await point of a step",
        expected="every tool call answered in the transcript",
        run=each_point,
        apart=True,
    ),
)
