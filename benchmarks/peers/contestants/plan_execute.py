"""Plan-and-execute on LangGraph, as its tutorial builds it.

Plan-and-Solve Prompting (Wang et al., 2023, arXiv:2305.04091) as in LangGraph's tutorial: a large
model plans, an agent executes the first step, and the large model plans again from what came out,
until it answers. `plan-execute` executes with the act endpoint, which is what the design is for;
`plan-execute-reason` with the reasoning endpoint, as the tutorial's single model does.
`plan-execute-batch` plans again only after the whole plan has been executed: fewer replies of
the planner, a form that the tutorial does not show.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

from langchain.agents import create_agent
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    ToolMessage,
)
from langchain_core.tools import BaseTool
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from agentlanes.plan import resolve_step
from benchmarks.peers.contestants.base import Contestant, Turn, calls_in
from benchmarks.peers.prompts import STEP, planner_message, schema_of
from benchmarks.peers.stage import Stage

__all__ = ["CONTESTANTS"]


class _State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    plan: list[dict[str, Any]]
    results: list[str]


class _PlanExecute:
    def __init__(self, stage: Stage, tools: list[BaseTool], executor: str, batch: bool) -> None:
        planner = stage.model("reason")
        head = planner_message(tools)
        worker = create_agent(stage.model(executor), tools)
        schemas = {tool.name: schema_of(tool) for tool in tools}

        async def plan(state: _State) -> dict[str, Any]:
            reply = await planner.ainvoke([head, *state["messages"]])
            steps = json.loads(str(reply.text))["steps"]
            said = [] if steps else [AIMessage("Done.")]
            return {"plan": steps, "results": [], "messages": said}

        async def execute(state: _State) -> dict[str, Any]:
            done = state["results"]
            step = state["plan"][len(done)]
            args = resolve_step(step, done, schemas.get(step["tool"]))
            known = {"tool": step["tool"], "args": args if args is not None else {}}
            task = HumanMessage(f"{STEP}\n{json.dumps(known)}")
            given = [*state["messages"], task]
            out = (await worker.ainvoke({"messages": given}))["messages"][len(given) :]
            calls = [m for m in out if isinstance(m, ToolMessage)]
            kept = [m for m in out if isinstance(m, ToolMessage) or m.tool_calls]
            results = [*done, str(calls[-1].text) if calls else ""]
            return {"messages": kept, "results": results}

        def planned(state: _State) -> str:
            return "execute" if state["plan"] else END

        def executed(state: _State) -> str:
            more = batch and len(state["results"]) < len(state["plan"])
            return "execute" if more else "plan"

        graph = StateGraph(_State)
        graph.add_node("plan", plan)
        graph.add_node("execute", execute)
        graph.add_edge(START, "plan")
        graph.add_conditional_edges("plan", planned, ["execute", END])
        graph.add_conditional_edges("execute", executed, ["execute", "plan"])
        self._graph = graph.compile()

    async def turn(self, messages: Sequence[BaseMessage]) -> Turn:
        """Carry out the last user message."""
        start: Any = {"messages": list(messages), "plan": [], "results": []}
        done = (await self._graph.ainvoke(start, {"recursion_limit": 1000}))["messages"]
        return Turn(messages=done, calls=calls_in(done[len(messages) :]))


def _with(executor: str, *, batch: bool = False) -> Contestant:
    return lambda stage, tools: _PlanExecute(stage, tools, executor, batch)


CONTESTANTS: dict[str, Contestant] = {
    "plan-execute": _with("act"),
    "plan-execute-reason": _with("reason"),
    "plan-execute-batch": _with("act", batch=True),
}
