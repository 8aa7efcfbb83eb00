"""Graphs for the command line's tests, in every form that LangGraph's own loading takes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Send, interrupt

from agentlanes import build_agent, effect
from agentlanes.context import prompts
from agentlanes.testing import ScriptedModel
from tests.oracle import Oracle, World, lane_for

TRUTH = [
    ("look", {"key": "a"}),
    ("store", {"key": "x", "value": "1"}),
    ("look", {"key": "x"}),
]
WRONG = {2: ("store", {"key": "bad", "value": "bad"})}


def _agent(**options: Any) -> Any:
    oracle = Oracle(TRUTH, wrong=WRONG, act_s=0.01, reason_s=0.05)
    return build_agent(oracle.act, oracle.reason, World().tools(), planning="never", **options)


compiled = _agent()


def plain_factory() -> Any:
    return _agent()


def config_factory(config: RunnableConfig) -> Any:
    assert config["configurable"]["thread_id"]
    return _agent()


async def async_factory() -> Any:
    return _agent()


@contextmanager
def context_factory() -> Iterator[Any]:
    yield _agent()


@asynccontextmanager
async def async_context_factory(config: RunnableConfig) -> AsyncIterator[Any]:
    yield _agent()


def stubborn() -> Any:
    """An act lane that never learns: ends in CorrectionLimit."""
    oracle = Oracle(TRUTH, wrong={1: ("look", {"key": "zzz"})}, always=True)
    return build_agent(
        oracle.act, oracle.reason, World().tools(), planning="never", max_corrections=1
    )


def planning() -> Any:
    oracle = Oracle(TRUTH, act_s=0.01, reason_s=0.05)
    return build_agent(oracle.act, oracle.reason, World().tools(), planning="always")


def planned_again() -> Any:
    """A plan that cannot be carried out, drafted again while its verdict takes its time."""

    @effect("read", trusted=True)
    async def look(key: str) -> str:
        """Look something up."""
        await asyncio.sleep(0.3 if key == "slow" else 0.05)
        return f"{key}+"

    def plan(*keys: Any) -> dict[str, Any]:
        return {"steps": [{"tool": "look", "args": {"key": key}} for key in keys]}

    right = plan("slow", "c")
    plans = [plan("slow", {"$step": 1}, "b", {"$step": 3, "$path": "nowhere"}), right]

    async def act(messages: Any, kwargs: Any) -> AIMessage:
        if prompts.PLAN_SYSTEM in messages[0].text:
            return AIMessage(json.dumps(plans.pop(0)))
        return AIMessage("all done")

    async def reason(messages: Any, kwargs: Any) -> AIMessage:
        await asyncio.sleep(1.0)
        whole = '"kind": "plan"' in messages[-1].text
        verdict = (
            {"verdict": "reject", "reason": "no", **right} if whole else {"verdict": "approve"}
        )
        return AIMessage(json.dumps(verdict))

    models = (ScriptedModel(script=script, disable_streaming=True) for script in (act, reason))
    return build_agent(*models, [look], planning="always")


def side_by_side() -> Any:
    """A graph above that runs one agent twice at once; one of the runs is corrected."""
    oracles = {"ann": Oracle(TRUTH, wrong=WRONG), "bob": Oracle(TRUTH)}
    lanes = (lane_for(oracles, which, latency_s=0.02) for which in ("act", "reason"))
    agent = build_agent(*lanes, World().tools(), planning="never")

    def each(state: MessagesState) -> list[Send]:
        return [Send("agent", {"messages": [("user", f"do it for {name}")]}) for name in oracles]

    graph = StateGraph(MessagesState)
    graph.add_node("agent", agent)
    graph.add_conditional_edges(START, each, ["agent"])
    graph.add_edge("agent", END)
    return graph


def unending() -> Any:
    """Commits a read and a write, then waits for a verdict that does not come."""
    quick = Oracle(TRUTH)
    calls = 0

    async def reason(messages: Any, kwargs: Any) -> AIMessage:
        nonlocal calls
        calls += 1
        if calls > 2:
            await asyncio.sleep(3600)
        return quick._reason(messages, kwargs)

    return build_agent(
        quick.act, ScriptedModel(script=reason), World().tools(), planning="never", max_run_ahead=0
    )


def hanging_effect() -> Any:
    @effect("irreversible")
    async def send(to: str) -> str:
        """Send something."""
        await asyncio.sleep(3600)
        return "sent"

    oracle = Oracle([("send", {"to": "bob"})])
    return build_agent(oracle.act, oracle.reason, [send], planning="never")


def _echo(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage(f"you said {state['messages'][-1].text}")]}


builder = StateGraph(MessagesState)
builder.add_node("echo", _echo)
builder.add_edge(START, "echo")
builder.add_edge("echo", END)


def steering() -> Any:
    """Answers with an escape sequence that clears a terminal."""
    oracle = Oracle([])

    def act(messages: Any, kwargs: Any) -> AIMessage:
        return AIMessage("first line\nsecond\x1b[2J line")

    return build_agent(ScriptedModel(script=act), oracle.reason, planning="never")


def circle() -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("echo", _echo)
    graph.add_edge(START, "echo")
    graph.add_edge("echo", "echo")
    return graph.compile().with_config(recursion_limit=5)


def asks_a_person() -> Any:
    def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [HumanMessage(interrupt("may I?"))]}

    graph = StateGraph(MessagesState)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    return graph.compile()


def breaks() -> Any:
    raise RuntimeError("the factory\nis closed")


def two_arguments(config: RunnableConfig, more: int) -> Any:
    return _agent()


nothing = 42


def no_graph() -> int:
    return 42
