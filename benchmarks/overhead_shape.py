"""What the state machine costs with nothing in it: the floor of `benchmarks.overhead`.

`bare_shape` is a StateGraph with the nodes and edges of `agentlanes.build_agent`, and with none of
its code. It makes the same requests and the same calls, in the same windows and tasks, and leaves
out what the library adds: no routing, no schema or binding of a verdict, no bookkeeping, no
records. What it costs above the bare loop is the price of the shape and of a second request a step;
what agentlanes costs above it is the library's own.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

__all__ = ["bare_shape"]

WINDOW = 16
_ACT, _JUDGE = SystemMessage("You carry out"), SystemMessage("You check what")
_ASK = HumanMessage("Is the call right?")
_WRITE = SystemMessage("Write the final")


class _Outer(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    made: list[Any] | None
    judged: list[Any] | None
    done: bool


class _Inner(TypedDict):
    transcript: list[Any]
    made: int


def bare_shape(model: Any, tool: Any, saver: Any, *, verdicts: bool, window: int = WINDOW) -> Any:
    """Build the empty state machine.

    Args:
        model: Both lanes.
        tool: The tool that is called.
        saver: The checkpointer, or `None`.
        verdicts: Whether a second branch asks for a verdict on each call.
        window: Calls in a window.
    """
    proposed: list[asyncio.Queue[Any]] = []

    async def draft(state: _Inner) -> dict[str, Any]:
        transcript, made = state["transcript"], 0
        while made < window:
            said = await model.ainvoke([_ACT, *transcript])
            proposed[-1].put_nowait([*transcript, _ASK])
            if not said.tool_calls:
                break
            work = asyncio.create_task(tool.ainvoke({**said.tool_calls[0], "type": "tool_call"}))
            transcript, made = [*transcript, said, await work], made + 1
        return {"transcript": transcript, "made": made}

    inner = StateGraph(_Inner)
    inner.add_node("draft", draft)
    inner.add_edge(START, "draft")
    inner.add_edge("draft", END)
    lane = inner.compile(checkpointer=False)

    async def route(state: _Outer) -> dict[str, Any]:
        proposed[:] = [asyncio.Queue()]
        return {"made": None, "judged": None}

    async def act(state: _Outer) -> dict[str, Any]:
        seen = state["messages"]
        start = {"transcript": list(seen), "made": 0}
        came = await asyncio.create_task(lane.ainvoke(start, {"recursion_limit": 1000}))
        proposed[-1].put_nowait(None)
        return {"made": came["transcript"][len(seen) :], "done": came["made"] < window}

    async def reason(state: _Outer) -> dict[str, Any]:
        asked = []
        while (prompt := await proposed[-1].get()) is not None:
            asked.append(asyncio.create_task(model.ainvoke([_JUDGE, *prompt])))
        return {"judged": [said.content for said in await asyncio.gather(*asked)]}

    async def settle(state: _Outer) -> dict[str, Any]:
        return {"messages": state["made"], "made": None, "judged": None}

    async def deliver(state: _Outer) -> dict[str, Any]:
        return {"messages": [await model.ainvoke([_WRITE, *state["messages"]])]}

    branches = ["act", "reason"] if verdicts else ["act"]
    outer = StateGraph(_Outer)
    for node in (route, act, reason, settle, deliver):
        outer.add_node(node.__name__, node)
    outer.add_edge(START, "route")
    outer.add_conditional_edges("route", lambda _: branches, ["act", "reason"])
    outer.add_edge("act", "settle")
    outer.add_edge("reason", "settle")
    outer.add_conditional_edges(
        "settle", lambda s: "deliver" if s["done"] else "route", ["route", "deliver"]
    )
    outer.add_edge("deliver", END)
    return outer.compile(checkpointer=saver)
