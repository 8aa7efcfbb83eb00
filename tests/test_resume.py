"""Checkpoints, interrupts and lost windows."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command, interrupt

from agentlanes import build_agent, effect
from tests.oracle import Oracle, World
from tests.test_graph import MIXED, ask

CONFIG: Any = {"configurable": {"thread_id": "t"}}


def calls(result: dict[str, Any]) -> list[Any]:
    return [(c["tool"], c["args"]) for c in result["committed"]]


@pytest.mark.parametrize("stop_before", ["act", "reason", "settle", "effects", "route", "deliver"])
@pytest.mark.parametrize("planning", ["never", "always"])
async def test_a_run_goes_on_in_another_process_from_any_node(
    stop_before: str, planning: Any
) -> None:
    """A new agent object has none of the old one's windows: as after a crash between nodes."""
    world, oracle, saver = World(), Oracle(MIXED), InMemorySaver()

    def agent() -> Any:
        return build_agent(
            oracle.act, oracle.reason, world.tools(), planning=planning, checkpointer=saver
        )

    given: Any = ask()
    for _ in range(60):
        result = await agent().ainvoke(given, CONFIG, interrupt_before=[stop_before])
        given = None
        if not (await agent().aget_state(CONFIG)).next:
            break
        if stop_before in ("act", "reason", "route"):
            # Otherwise each window would be lost anew: let the next one through.
            result = await agent().ainvoke(None, CONFIG)
            break
    assert calls(result) == MIXED
    assert [call for call in world.log if call[0] == "store"] == [MIXED[1], MIXED[3]]


async def test_a_tool_that_asks_a_person_runs_once_after_the_answer() -> None:
    sent: list[str] = []

    @effect("irreversible")
    async def send(to: str) -> str:
        """Send something, if a person agrees."""
        if interrupt({"send_to": to}) != "yes":
            return "not sent"
        sent.append(to)
        return "sent"

    oracle = Oracle([("send", {"to": "bob"})])
    agent = build_agent(
        oracle.act, oracle.reason, [send], planning="never", checkpointer=InMemorySaver()
    )
    paused = await agent.ainvoke(ask(), CONFIG)
    assert paused["__interrupt__"][0].value == {"send_to": "bob"}
    assert sent == []
    result = await agent.ainvoke(Command(resume="yes"), CONFIG)
    assert calls(result) == [("send", {"to": "bob"})]
    assert sent == ["bob"]
    assert len(oracle.judged) == 2


async def test_a_read_that_asks_a_person_becomes_a_fence() -> None:
    @effect("read")
    async def look(key: str) -> str:
        """Look, if a person agrees."""
        return f"{key}={interrupt('may I?')}"

    oracle = Oracle([("look", {"key": "a"})])
    agent = build_agent(oracle.act, oracle.reason, [look], checkpointer=InMemorySaver())
    paused = await agent.ainvoke(ask(), CONFIG)
    assert paused["__interrupt__"][0].value == "may I?"
    result = await agent.ainvoke(Command(resume=7), CONFIG)
    assert result["committed"][0]["result"] == "a=7"


@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_state_survives_a_strict_serializer(durability: Any) -> None:
    serde = JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None)
    saver = InMemorySaver(serde=serde)
    world, oracle = World(), Oracle(MIXED, wrong={1: ("store", {"key": "q", "value": "q"})})
    agent = build_agent(oracle.act, oracle.reason, world.tools(), checkpointer=saver)
    result = await agent.ainvoke(ask(), CONFIG, durability=durability)
    assert calls(result) == MIXED
    again = (await agent.aget_state(CONFIG)).values
    assert again["committed"] == result["committed"]
    assert again["steps"] == result["steps"]
    history = [state async for state in agent.aget_state_history(CONFIG)]
    assert all(type(state.values.get("plan")) in (dict, type(None)) for state in history)


async def test_a_tool_that_commands_the_graph_is_answered_once_in_the_transcript() -> None:
    @effect("write")
    async def note(text: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Note something."""
        return Command(
            update={"messages": [ToolMessage(f"noted {text}", tool_call_id=tool_call_id)]}
        )

    oracle = Oracle([("note", {"text": "a"}), ("note", {"text": "b"})])
    agent = build_agent(oracle.act, oracle.reason, [note], planning="never")
    result = await agent.ainvoke(ask())
    asked = [c["id"] for m in result["messages"] if isinstance(m, AIMessage) for c in m.tool_calls]
    given = [(m.tool_call_id, m.text) for m in result["messages"] if isinstance(m, ToolMessage)]
    assert asked == ["call_0", "call_1"]
    assert given == [("call_0", "noted a"), ("call_1", "noted b")]
