"""What the library itself costs: a step with endpoints and tools that answer at once.

`python -m benchmarks.overhead` in the bench environment. The same task, a row of reads, is run by
a bare StateGraph with ToolNode, by langchain's `create_agent` without and with two middlewares,
and by agentlanes. Rounds are interleaved, and the least CPU time a step of all rounds is given:
what others do on the machine can only add to it. A step is one call: the reply that makes it and
its run; under `approve` its verdict too, which is a second request that the others do not make.

The `shape` rows say how much of that is not the library's to save: a StateGraph with the same nodes
and edges and nothing in them but the same requests and calls (`benchmarks.overhead_shape`).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langchain.agents import create_agent
from langchain.agents.middleware import ModelCallLimitMiddleware, ToolCallLimitMiddleware
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import StructuredTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition

from agentlanes import build_agent, effect
from benchmarks.overhead_shape import bare_shape

__all__ = ["main"]

Play = Callable[[], Awaitable[None]]


class _Instant(BaseChatModel):
    """Makes the next call, plans what is left, approves: at once."""

    steps: int

    @property
    def _llm_type(self) -> str:
        return "instant"

    def bind_tools(self, tools: Any, **given: Any) -> Any:
        """Take no notice of the tools."""
        return self

    def _generate(self, messages: list[BaseMessage], *a: Any, **given: Any) -> ChatResult:
        head = str(messages[0].text)
        made = sum(isinstance(message, ToolMessage) for message in messages)
        reply = AIMessage("done")
        if head.startswith("You plan how"):
            steps = [
                {"tool": "look", "intent": "look", "args": {"n": n}}
                for n in range(made, self.steps)
            ]
            reply = AIMessage(json.dumps({"steps": steps}))
        elif head.startswith("You check what"):
            reply = AIMessage('{"reason": "right", "verdict": "approve", "suggestion": null}')
        elif not head.startswith("Write the final") and made < self.steps:
            call = {"name": "look", "args": {"n": made}, "id": f"c{made}"}
            reply = AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=reply)])

    async def _agenerate(self, messages: list[BaseMessage], *a: Any, **given: Any) -> ChatResult:
        return self._generate(messages)


async def _look(n: int) -> str:
    """Look something up."""
    return f"seen {n}"


class _State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def _bare(steps: int, saver: Any) -> Any:
    model = _Instant(steps=steps)

    async def call(state: _State) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(_State)
    graph.add_node("model", call)
    graph.add_node("tools", ToolNode([_tool()]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile(checkpointer=saver)


def _tool() -> StructuredTool:
    tool: StructuredTool = effect("read")(
        StructuredTool.from_function(coroutine=_look, name="look", description="Look it up.")
    )
    return tool


def _middlewares(steps: int) -> Sequence[Any]:
    return (
        ModelCallLimitMiddleware(run_limit=steps + 10),
        ToolCallLimitMiddleware(run_limit=steps + 10),
    )


def _lanes(steps: int, saver: Any, **options: Any) -> Any:
    model = _Instant(steps=steps)
    return build_agent(model, model, [_tool()], checkpointer=saver, max_steps=steps + 10, **options)


BUILD: dict[str, Callable[[int, Any], Any]] = {
    "StateGraph + ToolNode": _bare,
    "create_agent": lambda n, s: create_agent(_Instant(steps=n), [_tool()], checkpointer=s),
    "create_agent, 2 middlewares": lambda n, s: create_agent(
        _Instant(steps=n), [_tool()], checkpointer=s, middleware=_middlewares(n)
    ),
    "shape of skip": lambda n, s: bare_shape(_Instant(steps=n), _tool(), s, verdicts=False),
    "shape of approve": lambda n, s: bare_shape(_Instant(steps=n), _tool(), s, verdicts=True),
    "agentlanes plan": lambda n, s: _lanes(n, s, planning="always"),
    "agentlanes approve": lambda n, s: _lanes(n, s, planning="never"),
    "agentlanes skip": lambda n, s: _lanes(n, s, planning="never", verify="skip"),
    "agentlanes skip, no records": lambda n, s: _lanes(
        n, s, planning="never", verify="skip", records=False
    ),
}


async def _play(agent: Any, steps: int, thread: str) -> Any:
    config = {"configurable": {"thread_id": thread}, "recursion_limit": 10 * steps + 100}
    done = await agent.ainvoke({"messages": [("user", "go")]}, config)
    made = sum(isinstance(message, ToolMessage) for message in done["messages"])
    if made != steps:
        raise AssertionError(f"{made} of {steps} calls were made")
    return done


async def _cost(build: Callable[[int, Any], Any], steps: int, saved: bool) -> dict[str, float]:
    saver = InMemorySaver() if saved else None
    agent = build(steps, saver)
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    await _play(agent, steps, "t")
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu_ms": 1000 * cpu / steps, "wall_ms": 1000 * wall / steps}


async def _memory(build: Callable[[int, Any], Any], steps: int) -> dict[str, float]:
    """Give what a run holds at its peak, and what its last checkpoint weighs."""
    saver = InMemorySaver()
    agent = build(steps, saver)
    await _play(agent, steps, "warm")
    gc.collect()
    tracemalloc.start()
    await _play(build(steps, None), steps, "t")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    last = await saver.aget_tuple({"configurable": {"thread_id": "warm"}})
    size = len(saver.serde.dumps_typed(last.checkpoint)[1]) if last else 0
    written = sum(len(blob[1]) for blob in saver.blobs.values() if blob[1])
    return {
        "peak_kb": peak / 1024,
        "last_checkpoint_kb": size / 1024,
        "all_checkpoints_kb": written / 1024,
    }


async def measure(steps: int, rounds: int, growth: Sequence[int]) -> list[dict[str, Any]]:
    """Measure everybody."""
    least: dict[str, dict[str, float]] = {}
    for build in BUILD.values():
        await _cost(build, steps, saved=False)  # warm
    for _ in range(rounds):
        for name, build in BUILD.items():
            for saved in (False, True):
                found = await _cost(build, steps, saved=saved)
                mine = least.setdefault(name, {})
                for kind, value in found.items():
                    key = f"{kind}_saved" if saved else kind
                    mine[key] = min(value, mine.get(key, value))
    base = least["StateGraph + ToolNode"]
    rows = []
    for name, mine in least.items():
        row: dict[str, Any] = {"name": name, "steps": steps, "rounds": rounds}
        row |= {key: round(value, 3) for key, value in mine.items()}
        row["cpu_ratio"] = round(mine["cpu_ms"] / base["cpu_ms"], 2)
        row["cpu_ratio_saved"] = round(mine["cpu_ms_saved"] / base["cpu_ms_saved"], 2)
        row |= {k: round(v, 1) for k, v in (await _memory(BUILD[name], steps)).items()}
        row["growth_cpu_ms"] = {
            count: round((await _cost(BUILD[name], count, saved=False))["cpu_ms"], 3)
            for count in growth
        }
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--growth", type=int, nargs="*", default=[100, 300, 1000])
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    rows = asyncio.run(measure(args.steps, args.rounds, args.growth))
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
