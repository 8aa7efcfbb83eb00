"""Spans say when everything in a step happened, and what it waited for."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agentlanes import build_agent, effect
from agentlanes.context import prompts
from agentlanes.latency.record import StepRecord
from agentlanes.testing import ScriptedModel, VirtualClock

ASK = {"messages": [("user", "go")]}
CALLS = [("look", "a"), ("look", "b"), ("store", "c"), ("look", "d")]


@effect("read")
async def look(key: str) -> str:
    """Look something up."""
    await asyncio.sleep(0.3)
    return f"value of {key}"


@effect("write")
async def store(key: str) -> str:
    """Store something."""
    await asyncio.sleep(0.2)
    return "stored"


async def draft(messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
    await asyncio.sleep(0.1)
    if prompts.DELIVER_SYSTEM in str(messages[0].text):
        return AIMessage("done")
    place = sum(isinstance(message, ToolMessage) for message in messages)
    if place == len(CALLS):
        return AIMessage("that is all")
    tool, key = CALLS[place]
    return AIMessage("", tool_calls=[{"name": tool, "args": {"key": key}, "id": None}])


async def approve(messages: list[BaseMessage], kwargs: dict[str, Any]) -> str:
    await asyncio.sleep(1.0)
    return json.dumps({"verdict": "approve", "reason": "fine"})


def run(**options: Any) -> tuple[dict[str, Any], float]:
    async def go() -> tuple[dict[str, Any], float]:
        act, reason = ScriptedModel(script=draft), ScriptedModel(script=approve)
        agent = build_agent(act, reason, [look, store], planning="never", **options)
        result: dict[str, Any] = await agent.ainvoke(ASK)
        return result, asyncio.get_running_loop().time() * 1000

    return VirtualClock.run(go())


def spans_of(steps: list[StepRecord]) -> dict[str, tuple[str, float, float]]:
    spans = [span for step in steps for span in step["spans"]]
    assert len({span["id"] for span in spans}) == len(spans)
    return {span["id"]: (span["kind"], span["start_ms"], span["end_ms"]) for span in spans}


def test_a_run_ahead_is_told_to_the_millisecond() -> None:
    result, wall_ms = run()
    assert spans_of(result["steps"]) == {
        "w0.draft0": ("act", 0, 100),
        "w0.p0.tool": ("tool", 100, 400),
        "w0.p0.verdict": ("reason", 100, 1100),
        "w0.draft1": ("act", 400, 500),
        "w0.p1.tool": ("tool", 500, 800),
        "w0.p1.verdict": ("reason", 500, 1500),
        "w0.draft2": ("act", 800, 900),
        "w0.p2.wait": ("wait", 900, 1900),
        "w0.p2.verdict": ("reason", 900, 1900),
        "e0": ("tool", 1900, 2100),
        "w1.draft0": ("act", 2100, 2200),
        "w1.p0.tool": ("tool", 2200, 2500),
        "w1.p0.verdict": ("reason", 2200, 3200),
        "w1.draft1": ("act", 2500, 2600),
        "w1.p1.verdict": ("reason", 2600, 3600),
        "answer": ("act", 3600, 3700),
    }
    assert wall_ms == pytest.approx(3700)


def test_every_span_starts_when_the_last_one_it_waited_for_has_ended() -> None:
    for options in ({}, {"max_run_ahead": 0}, {"max_run_ahead": 1}):
        result, _ = run(**options)
        spans = [span for step in result["steps"] for span in step["spans"]]
        ends = {span["id"]: span["end_ms"] for span in spans}
        for span in spans:
            waited = max((ends[id] for id in span["after"]), default=0.0)
            assert waited == (span["end_ms"] if span["kind"] == "wait" else span["start_ms"]), span


def test_a_record_spans_its_step() -> None:
    result, _ = run()
    assert [(r["version"], r["started_ms"], r["ended_ms"]) for r in result["steps"][:3]] == [
        (2, 0, 400),
        (2, 100, 1100),
        (2, 400, 800),
    ]


def test_records_can_be_switched_off() -> None:
    async def go() -> tuple[dict[str, Any], list[Any]]:
        act, reason = ScriptedModel(script=draft), ScriptedModel(script=approve)
        agent = build_agent(act, reason, [look, store], planning="never", records=False)
        told = []
        async for mode, part in agent.astream(ASK, stream_mode=["custom", "values"]):
            told.append((mode, part))
        return told[-1][1], [part for mode, part in told if mode == "custom"]

    result, events = VirtualClock.run(go())
    assert result["answer"] == "done"
    assert result["steps"] == []
    assert not [event for event in events if event["type"] == "agentlanes.steps"]


def test_the_time_a_person_takes_is_a_span_of_the_effect() -> None:
    async def go() -> dict[str, Any]:
        act, reason = ScriptedModel(script=draft), ScriptedModel(script=approve)
        agent = build_agent(
            act,
            reason,
            [look, store],
            planning="never",
            approval={"write": "always"},
            checkpointer=InMemorySaver(),
        )
        config: Any = {"configurable": {"thread_id": "t"}}
        await agent.ainvoke(ASK, config, durability="sync")
        await asyncio.sleep(60)
        answer: Any = Command(resume={"decisions": [{"type": "approve"}]})
        result: dict[str, Any] = await agent.ainvoke(answer, config, durability="sync")
        return result

    spans = spans_of(VirtualClock.run(go())["steps"])
    assert spans["e0.person"] == ("person", 1900, 61_900)
    assert spans["e0"] == ("tool", 61_900, 62_100)
