"""What running ahead gains and what it costs at worst, on virtual time.

`python -m benchmarks.prove.speedup`. A reply of the act lane takes 0.6 s, a verdict 6 s, a call
1 s. Every figure is a ratio of two runs of the same task by the same lanes, so no machine is in it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from agentlanes import build_agent, effect
from agentlanes.context import prompts
from agentlanes.errors import CorrectionLimit
from agentlanes.testing import ScriptedModel, VirtualClock

__all__ = ["measure_speedups"]

ACT_S, REASON_S, TOOL_S = 0.6, 6.0, 1.0
READ, WRITE = "look", "store"

Shape = Sequence[str]
"""A task: the tools it calls, one after the other."""

TWO_THIRDS_READS: Sequence[Shape] = (
    [READ, READ, WRITE] * 2,
    [READ, WRITE, READ] * 3,
    [READ, READ, WRITE] * 4,
    [WRITE, READ, READ] * 2,
    [READ, READ, READ, READ, WRITE, WRITE] * 2,
)
REJECTED: Sequence[Shape] = ([READ] * 6, [WRITE, READ] * 3, [READ, READ, WRITE] * 2, [WRITE] * 3)


class _Lanes:
    """Lanes that know the task; the act lane is wrong at first, or always, where it is told to.

    Args:
        shape: The task.
        wrong: `never`, `once` (right when corrected), or `always`.
        act_s: Seconds a reply takes.
        reason_s: Seconds a verdict takes.
    """

    def __init__(self, shape: Shape, wrong: str, act_s: float, reason_s: float) -> None:
        self._calls = [{"tool": tool, "args": {"n": n}} for n, tool in enumerate(shape)]
        self._wrong = wrong
        self.act = ScriptedModel(script=self._act, latency_s=act_s, disable_streaming=True)
        self.reason = ScriptedModel(script=self._reason, latency_s=reason_s, disable_streaming=True)

    def _act(self, messages: list[BaseMessage], given: dict[str, Any]) -> AIMessage:
        system, said, at = str(messages[0].text), str(messages[-1].text), _position(messages)
        if prompts.DELIVER_SYSTEM in system:
            return AIMessage("done")
        errs = self._wrong == "always"
        errs = errs or (self._wrong == "once" and not said.startswith(prompts.CORRECTION_PREFIX))
        left = [{**c, "args": {"n": c["args"]["n"] + 100 * errs}} for c in self._calls[at:]]
        if prompts.PLAN_SYSTEM in system:
            return AIMessage(json.dumps({"steps": left}))
        if not left:
            return AIMessage("nothing more")
        return AIMessage(
            "", tool_calls=[{"name": left[0]["tool"], "args": left[0]["args"], "id": "x"}]
        )

    def _reason(self, messages: list[BaseMessage], given: dict[str, Any]) -> AIMessage:
        block = re.search(r"```json\n(.*)\n```", str(messages[-1].text), re.DOTALL)
        asked = json.loads(block[1]) if block else {}
        due = self._calls[_position(messages) + len(asked["together"]) :]
        proposal = asked["proposal"]
        if proposal["kind"] == "plan":
            right = [{"tool": s["tool"], "args": s["args"]} for s in proposal["steps"]] == due
        elif proposal["kind"] == "finish":
            right = not due
        else:
            right = bool(due) and {"tool": proposal["tool"], "args": proposal["args"]} == due[0]
        word = "approve" if right else "reject"
        return AIMessage(json.dumps({"reason": "checked", "verdict": word}))


def _position(messages: Sequence[BaseMessage]) -> int:
    count = 0
    for message in messages:
        if isinstance(message, HumanMessage) and not str(message.text).startswith(
            prompts.ASIDE_PREFIXES
        ):
            count = 0
        count += isinstance(message, ToolMessage)
    return count


def _tools(tool_s: float) -> list[Callable[..., Any]]:
    @effect("read")
    async def look(n: int) -> str:
        """Look something up."""
        await asyncio.sleep(tool_s)
        return "seen"

    @effect("write")
    async def store(n: int) -> str:
        """Store something."""
        await asyncio.sleep(tool_s)
        return "stored"

    return [look, store]


def run_s(
    shape: Shape,
    *,
    run_ahead: int = 8,
    planning: str = "never",
    wrong: str = "never",
    act_s: float = ACT_S,
    reason_s: float = REASON_S,
    tool_s: float = TOOL_S,
) -> float:
    """Give the virtual seconds that a task takes."""
    lanes = _Lanes(shape, wrong, act_s, reason_s)
    options: Any = {"max_run_ahead": run_ahead, "planning": planning}
    agent = build_agent(lanes.act, lanes.reason, _tools(tool_s), **options)
    with VirtualClock() as clock:
        try:
            result = clock.run(agent.ainvoke({"messages": [("user", "go")]}))
            committed = [call["tool"] for call in result["committed"]]
        except CorrectionLimit:
            committed = None if wrong == "always" else []
        if committed is not None and committed != list(shape):
            raise AssertionError(f"the run committed {committed} instead of {list(shape)}")
        return clock.now


def _slowdowns() -> Iterator[float]:
    """Give ahead over serial where every verdict rejects, at first or always."""
    times = itertools.product((0.05, ACT_S), (0.5, REASON_S), (0.1, TOOL_S, 20.0))
    for act_s, reason_s, tool_s in times:
        for shape, planning, wrong in itertools.product(
            REJECTED, ("never", "always"), ("once", "always")
        ):
            known: Any = {
                "planning": planning,
                "wrong": wrong,
                "act_s": act_s,
                "reason_s": reason_s,
                "tool_s": tool_s,
            }
            yield run_s(shape, **known) / run_s(shape, run_ahead=0, **known)


def measure_speedups() -> dict[str, float]:
    """Measure the least gain over the shapes, and the greatest loss when all is rejected.

    Prints a line for each shape.
    """
    gains: dict[str, list[float]] = {}
    for shape in TWO_THIRDS_READS:
        by_call, by_plan = run_s(shape, run_ahead=0), run_s(shape, run_ahead=0, planning="always")
        planned = run_s(shape, planning="always")
        found = {
            "speedup_per_call": by_call / run_s(shape),
            "speedup_per_plan": by_call / planned,
            "speedup_per_plan_serial": by_plan / planned,
        }
        told = ", ".join(f"{name} {gain:.2f}" for name, gain in found.items())
        print(f"{''.join('r' if tool == READ else 'w' for tool in shape)}: {told}")
        for name, gain in found.items():
            gains.setdefault(name, []).append(gain)
    least = {name: round(min(each), 3) for name, each in gains.items()}
    return {**least, "worst_slowdown_vs_serial": round(max(_slowdowns()), 4)}


def main() -> int:
    """Measure and print."""
    print(json.dumps(measure_speedups()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
