"""Running one BFCL task: every user turn through an agent, on one thread, with live tools."""

from __future__ import annotations

import time
from collections.abc import Mapping
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
    return {"run_ahead": 0, "planning": "never" if name == "serial" else planning}


@dataclass(slots=True, kw_only=True)
class TaskRun:
    """What running a task gave.

    Attributes:
        world: The live instances, as the run left them.
        committed: The committed calls, turn by turn.
        wall_s: Time spent in the agent, over all turns.
        error: What stopped it, or an empty text.
        lane_calls: Requests that the step records count, by lane.
        discarded: Step records whose work was thrown away.
        overlap_saved_ms: Committed work that ran while its verdict was out.
        wasted_ms: Work that was thrown away.
    """

    world: World
    committed: list[list[Call]] = field(default_factory=list)
    wall_s: float = 0.0
    error: str = ""
    lane_calls: dict[str, int] = field(default_factory=dict)
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
) -> TaskRun:
    """Run a task from its first user turn to its last, or to its first error.

    Args:
        catalog: The wheel's tools.
        task: The task.
        lanes: The act lane and the reason lane.
        options: Further options of `build_agent`.
        tool_s: How long a tool call takes.

    Raises:
        ConfigError: The agent cannot be built; no other task would fare better.
        EndpointUnreachable: A lane cannot be reached; neither would one here.
    """
    run = TaskRun(world=World(catalog, task))
    act, reason = lanes
    tools = run.world.tools(delay_s=tool_s)
    agent = build_agent(act, reason, tools, checkpointer=InMemorySaver(), **options)
    config: Any = {"configurable": {"thread_id": task.id}}
    for text in task.turns:
        started = time.perf_counter()
        try:
            output = await agent.ainvoke({"messages": [HumanMessage(text)]}, config)
        except (ConfigError, EndpointUnreachable):
            raise
        except Exception as error:
            run.error = f"{type(error).__name__}: {error}"
            break
        finally:
            run.wall_s += time.perf_counter() - started
        run.committed.append([Call(item["tool"], item["args"]) for item in output["committed"]])
        _count(run, output["steps"])
    return run


def _count(run: TaskRun, steps: list[Any]) -> None:
    for record in steps:
        if record["lane"] is not None:
            run.lane_calls[record["lane"]] = run.lane_calls.get(record["lane"], 0) + 1
        run.discarded += record["outcome"] == "discarded"
        run.overlap_saved_ms += record["overlap_saved_ms"] or 0.0
        run.wasted_ms += record["wasted_ms"] or 0.0
