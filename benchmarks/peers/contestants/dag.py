"""An executor of plans as graphs, after LLMCompiler (Kim et al., 2023, arXiv:2312.04511).

A planner gives the calls with what each has to wait for; whatever waits for nothing runs at once;
a joiner then answers, or has the rest planned. In the paper one model plans and joins: `dag` does
both with the reasoning endpoint. `dag-fast-join` joins with the act endpoint, and `dag-act` does
both with it. A call with an argument that no reference can name is left to the next plan.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, SystemMessage, ToolMessage
from langchain_core.tools import BaseTool
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from agentlanes.plan import resolve_step
from benchmarks.peers.contestants.base import Contestant, Turn, calls_in
from benchmarks.peers.prompts import JOINER, planner_message, schema_of
from benchmarks.peers.stage import Stage

__all__ = ["CONTESTANTS"]


class _State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    steps: list[dict[str, Any]]
    over: bool


class _Dag:
    def __init__(self, stage: Stage, tools: list[BaseTool], planner: str, joiner: str) -> None:
        plans, joins = stage.model(planner), stage.model(joiner)
        head = planner_message(tools)
        by_name = {tool.name: tool for tool in tools}

        async def plan(state: _State) -> dict[str, Any]:
            reply = await plans.ainvoke([head, *state["messages"]])
            return {"steps": json.loads(str(reply.text))["steps"]}

        async def execute(state: _State) -> dict[str, Any]:
            steps = state["steps"]
            ready = _ready(steps)
            results: dict[int, str] = {}
            tasks: dict[int, asyncio.Task[None]] = {}

            async def run(number: int) -> None:
                step = steps[number]
                for earlier in step["after"]:
                    await tasks[earlier - 1]
                before = [results.get(n, "") for n in range(number)]
                args = resolve_step(step, before, schema_of(by_name[step["tool"]]))
                step["made"] = args if args is not None else {}
                results[number] = str(await by_name[step["tool"]].ainvoke(step["made"]))

            async with asyncio.TaskGroup() as group:
                for number in ready:
                    tasks[number] = group.create_task(run(number))
            said: list[BaseMessage] = []
            for number in ready:
                name = f"p{len(state['messages'])}_{number}"
                call = {"name": steps[number]["tool"], "args": steps[number]["made"], "id": name}
                said.append(AIMessage("", tool_calls=[call]))
                said.append(ToolMessage(results[number], tool_call_id=name))
            return {"messages": said}

        async def join(state: _State) -> dict[str, Any]:
            reply = await joins.ainvoke([SystemMessage(JOINER), *state["messages"]])
            told = json.loads(str(reply.text))
            over = told["action"] == "finish"
            return {"over": over, "messages": [AIMessage(told["answer"])] if over else []}

        graph = StateGraph(_State)
        graph.add_node("plan", plan)
        graph.add_node("execute", execute)
        graph.add_node("join", join)
        graph.add_edge(START, "plan")
        graph.add_edge("plan", "execute")
        graph.add_edge("execute", "join")
        graph.add_conditional_edges("join", lambda s: END if s["over"] else "plan", ["plan", END])
        self._graph = graph.compile()

    async def turn(self, messages: Sequence[BaseMessage]) -> Turn:
        """Carry out the last user message."""
        start: Any = {"messages": list(messages), "steps": [], "over": False}
        done = (await self._graph.ainvoke(start, {"recursion_limit": 1000}))["messages"]
        return Turn(messages=done, calls=calls_in(done[len(messages) :]))


def _ready(steps: Sequence[dict[str, Any]]) -> list[int]:
    """Give the steps that can be made now: those before the first with an open argument."""
    for number, step in enumerate(steps):
        if step["open"]:
            return list(range(number))
    return list(range(len(steps)))


def _with(planner: str, joiner: str) -> Contestant:
    return lambda stage, tools: _Dag(stage, tools, planner, joiner)


CONTESTANTS: dict[str, Contestant] = {
    "dag": _with("reason", "reason"),
    "dag-fast-join": _with("reason", "act"),
    "dag-act": _with("act", "act"),
}
