"""Running one BFCL task: every user turn through an agent, on one thread, with live tools."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from agentlanes.bench.bfcl_calls import Call, Catalog
from agentlanes.bench.bfcl_data import Task
from agentlanes.bench.bfcl_tools import World
from agentlanes.errors import ConfigError, EndpointUnreachable
from agentlanes.graph import build_agent
from agentlanes.lanes.lane import Lane

__all__ = ["PassName", "TaskRun", "pass_options", "run_task"]

PassName = Literal["lanes", "serial", "serial_plan"]
"""`lanes`: run-ahead, as agentlanes does by default. `serial`: every verdict is awaited.
`serial_plan`: awaited too, but a plan's verdict covers its steps."""


def pass_options(name: PassName, planning: str) -> dict[str, Any]:
    """Give the options of `build_agent` that make a pass what it is.

    Args:
        name: The pass.
        planning: The planning that was asked for.
    """
    if name == "lanes":
        return {"planning": planning}
    return {"max_run_ahead": 0, "planning": "never" if name == "serial" else planning}


@dataclass(slots=True, kw_only=True)
class TaskRun:
    """What running a task gave.

    Attributes:
        world: The live instances, as the run left them.
        committed: The committed calls, turn by turn.
        wall_s: Time spent in the agent, over all turns.
        error: What stopped it, or an empty text.
        left_off: Calls that were committed in the turn that was stopped.
        judged: Calls that a tallied judge judged: turn, call and status.
        lane_calls: Requests that the step records count, by lane.
        tokens: Of those requests: `input`, `cached` (of the input) and `output`.
        discarded: Step records whose work was thrown away.
        overlap_saved_ms: Committed work that ran while its verdict was out.
        wasted_ms: Work that was thrown away.
    """

    world: World
    committed: list[list[Call]] = field(default_factory=list)
    wall_s: float = 0.0
    error: str = ""
    left_off: list[Call] = field(default_factory=list)
    judged: list[tuple[int, Call, str]] = field(default_factory=list)
    lane_calls: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    discarded: int = 0
    overlap_saved_ms: float = 0.0
    wasted_ms: float = 0.0


async def run_task(
    catalog: Catalog,
    task: Task,
    lanes: tuple[Lane, Lane],
    options: Mapping[str, Any],
    *,
    tool_s: float = 0.0,
    turn_s: float | None = None,
    describe: Callable[[str], str] = str,
) -> TaskRun:
    """Run a task from its first user turn to its last, or to its first error.

    A task that lost a turn is not right any more, so the turns after it are not run.

    Args:
        catalog: The wheel's tools.
        task: The task.
        lanes: The act lane and the reason lane.
        options: Further options of `build_agent`.
        tool_s: How long a tool call takes.
        turn_s: How long a turn may take; a longer one is the task's first error.
        describe: What becomes of each tool's description.

    Raises:
        ConfigError: The agent cannot be built; no other task would fare better.
        EndpointUnreachable: A lane cannot be reached, and has not answered in this task.
    """
    run = TaskRun(world=World(catalog, task))
    act, reason = lanes
    tools = run.world.tools(delay_s=tool_s, describe=describe)
    agent = build_agent(act, reason, tools, checkpointer=InMemorySaver(), **options)
    config: Any = {"configurable": {"thread_id": task.id}}
    for text in task.turns:
        said = HumanMessage(text, id=f"turn_{len(run.committed)}")
        started = time.perf_counter()
        try:
            async with asyncio.timeout(turn_s) as bound:
                output = await agent.ainvoke({"messages": [said]}, config)
        except ConfigError:
            raise
        except Exception as error:
            if isinstance(error, EndpointUnreachable) and not run.lane_calls:
                raise
            run.error = f"{type(error).__name__}: {error}"
            if bound.expired():
                run.error = f"TurnBound: not finished within {turn_s:g} s"
        finally:
            run.wall_s += time.perf_counter() - started
        if run.error:
            kept = (await agent.aget_state(config)).values
            if kept.get("run") and kept["run"]["turn"] == said.id:
                run.left_off = [Call(item["tool"], item["args"]) for item in kept["committed"]]
                _count(run, kept["steps"])
            break
        run.committed.append([Call(item["tool"], item["args"]) for item in output["committed"]])
        _count(run, output["steps"])
    return run


def _count(run: TaskRun, steps: list[Any]) -> None:
    for record in steps:
        if record["lane"] is not None:
            run.lane_calls[record["lane"]] = run.lane_calls.get(record["lane"], 0) + 1
            for kind in ("input", "cached", "output"):
                run.tokens[kind] = run.tokens.get(kind, 0) + (record["tokens"].get(kind) or 0)
        run.discarded += record["outcome"] == "discarded"
        run.overlap_saved_ms += record["overlap_saved_ms"] or 0.0
        run.wasted_ms += record["wasted_ms"] or 0.0
