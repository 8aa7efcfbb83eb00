"""Reads that begin before their turn, and results of discarded reads that are used again."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from agentlanes import build_agent, effect
from agentlanes.context import prompts
from agentlanes.testing import ScriptedModel, VirtualClock

ASK = {"messages": [("user", "go")]}
REF = {"$step": 1}


class Stage:
    """A plan, a verdict on it that takes its time, and tools that note when they began."""

    def __init__(
        self, steps: list[tuple[str, str | dict[str, int]]], verdict: dict[str, Any] | None = None
    ) -> None:
        self.steps = [{"tool": tool, "args": {"key": key}} for tool, key in steps]
        self.verdict = verdict or {"verdict": "approve", "reason": "fine"}
        self.began: list[tuple[str, float]] = []
        self.asked, self.verdict_s = 0, 20.0

    def agent(self, **options: Any) -> Any:
        @effect("read", trusted=True)
        async def look(key: str) -> str:
            """Look something up."""
            return await self._take("look", key, 1.0)

        @effect("read", trusted=True)
        async def scan(key: str) -> str:
            """Look something up, slowly."""
            return await self._take("scan", key, 4.0)

        @effect("read", target="key", allow=["here*"])
        async def fetch(key: str) -> str:
            """Fetch from somewhere."""
            return await self._take("fetch", key, 1.0)

        @effect("write")
        async def store(key: str) -> str:
            """Store something."""
            return await self._take("store", key, 1.0)

        async def undo(args: dict[str, Any], result: str | None, key: str) -> None:
            self.began.append((f"undo {args['key']}", asyncio.get_running_loop().time()))

        @effect("reversible", undo=undo)
        async def note(key: str) -> str:
            """Note something."""
            return await self._take("note", key, 1.0)

        return build_agent(
            ScriptedModel(script=self._act, disable_streaming=True),
            ScriptedModel(script=self._reason, disable_streaming=True),
            [look, scan, fetch, store, note],
            runs_ahead=("pure", "read", "reversible"),
            planning="always",
            **options,
        )

    def run(self, **options: Any) -> tuple[dict[str, Any], float]:
        with VirtualClock() as clock:
            return clock.run(self.agent(**options).ainvoke(ASK)), clock.now

    async def _take(self, tool: str, key: str, took_s: float) -> str:
        self.began.append((f"{tool} {key}", round(asyncio.get_running_loop().time(), 3)))
        await asyncio.sleep(took_s)
        return f"{key}+"

    async def _act(self, messages: Any, given: Any) -> AIMessage:
        if prompts.DELIVER_SYSTEM in str(messages[0].text):
            return AIMessage("done")
        return AIMessage(json.dumps({"steps": self.steps}))

    async def _reason(self, messages: Any, given: Any) -> AIMessage:
        self.asked += 1
        await asyncio.sleep(self.verdict_s)
        return AIMessage(json.dumps(self.verdict))

    def at(self) -> dict[str, float]:
        first = min(time for _, time in self.began)
        return {call: round(time - first, 3) for call, time in self.began}


def committed(result: dict[str, Any]) -> list[str]:
    return [f"{call['tool']} {call['args']['key']}" for call in result["committed"]]


def test_a_read_begins_when_what_it_refers_to_is_there_and_counts_in_its_turn() -> None:
    stage = Stage([("look", "a"), ("scan", "b"), ("look", REF), ("look", "c")])
    result, _ = stage.run()
    assert stage.at() == {"look a": 0.0, "scan b": 0.0, "look c": 0.0, "look a+": 1.0}
    assert committed(result) == ["look a", "scan b", "look a+", "look c"]
    assert stage.asked == 1


def test_events_tell_when_a_read_begins_before_its_turn_and_when_it_has_ended() -> None:
    stage = Stage([("look", "a"), ("scan", "b"), ("look", REF), ("look", "c")])
    with VirtualClock() as clock:

        async def events() -> list[Any]:
            return [event async for event in stage.agent().astream(ASK, stream_mode="custom")]

        told = clock.run(events())
    early = [event for event in told if event["type"] == "agentlanes.early"]
    seen = [(e["status"], e["step"], e["args"]["key"], e["ok"], e["again"]) for e in early]
    # The first two are proposed at once, and so is the last, in its turn.
    assert seen == [
        ("started", 3, "c", True, None),
        ("started", 2, "a+", True, None),
        ("ended", 3, "c", True, None),
        ("ended", 2, "a+", True, None),
    ]


@pytest.mark.parametrize("run_ahead", [0, 1, 2, 32])
def test_depth_holds_early_reads_back_as_it_does_others(run_ahead: int) -> None:
    stage = Stage([("scan", "a"), ("look", REF), ("look", "b"), ("look", "c")])
    result, _ = stage.run(max_run_ahead=run_ahead)
    ahead = [call for call, time in stage.began if time < 20.0]
    # The plan itself has no verdict either, and counts.
    assert len(ahead) == max(0, min(4, run_ahead - 1))
    assert committed(result) == ["scan a", "look a+", "look b", "look c"]


@pytest.mark.parametrize("barrier", [("store", "x"), ("fetch", "elsewhere")])
def test_nothing_begins_past_a_call_that_may_be_a_fence(barrier: tuple[str, str]) -> None:
    stage = Stage([("look", "a"), ("look", REF), barrier, ("look", "b")])
    result, _ = stage.run()
    fence, after = stage.at()[" ".join(barrier)], stage.at()["look b"]
    # A read elsewhere waits for its verdict only once untrusted output has been seen.
    assert after >= fence + (1.0 if barrier[0] == "store" else 0.0)
    assert committed(result) == ["look a", "look a+", " ".join(barrier), "look b"]


def test_results_that_the_corrected_plan_asks_for_again_are_used_again() -> None:
    right = [("look", "a"), ("scan", REF), ("look", "c")]
    steps = [{"tool": tool, "args": {"key": key}} for tool, key in right]
    stage = Stage(
        [("look", "a"), ("scan", REF), ("look", "wrong")],
        {"verdict": "reject", "reason": "not that", "steps": steps},
    )
    result, _ = stage.run()
    assert committed(result) == ["look a", "scan a+", "look c"]
    assert sorted(call for call, _ in stage.began) == ["look a", "look c", "look wrong", "scan a+"]


def test_a_call_that_is_made_twice_on_purpose_is_made_twice() -> None:
    steps = [{"tool": "look", "args": {"key": key}} for key in ("a", "a", "c")]
    stage = Stage(
        [("look", "a"), ("look", "wrong")],
        {"verdict": "reject", "reason": "twice", "steps": steps},
    )
    result, _ = stage.run()
    assert committed(result) == ["look a", "look a", "look c"]
    assert [call for call, _ in stage.began].count("look a") == 2


@pytest.mark.parametrize("change", ["store", "note"])
def test_nothing_is_used_again_once_something_was_changed(change: str) -> None:
    """A fence comes between two windows; what can be undone runs ahead in the one that reads."""
    steps = [{"tool": t, "args": {"key": k}} for t, k in ((change, "x"), ("look", "a"))]
    stage = Stage(
        [("look", "a"), ("look", "wrong")],
        {"verdict": "reject", "reason": "change it first", "steps": steps},
    )
    result, _ = stage.run()
    assert committed(result) == [f"{change} x", "look a"]
    assert [call for call, _ in stage.began].count("look a") == 2


def test_reads_that_never_came_to_their_turn_are_recorded_as_discarded() -> None:
    stage = Stage(
        [("scan", "a"), ("look", REF), ("look", "b")],
        {"verdict": "reject", "reason": "no", "steps": [{"tool": "scan", "args": {"key": "z"}}]},
    )
    stage.verdict_s = 2.0  # before the scan has ended
    result, _ = stage.run()
    spans = [span for record in result["steps"] for span in record["spans"]]
    lost = [s["name"] for s in spans if s["kind"] == "tool" and s["outcome"] == "discarded"]
    assert sorted(lost) == ["look", "scan"]
    wasted = sum(record["wasted_ms"] for record in result["steps"])
    assert wasted >= 1000.0 + 2000.0
    assert committed(result) == ["scan z"]


def test_spans_name_what_an_early_read_waited_for() -> None:
    stage = Stage([("look", "a"), ("scan", "b"), ("look", REF), ("look", "c")])
    result, _ = stage.run()
    spans = {span["id"]: span for record in result["steps"] for span in record["spans"]}
    tools = [span for span in spans.values() if span["kind"] == "tool"]
    starts = {span["id"]: span["start_ms"] for span in tools}
    referring = next(span for span in tools if span["start_ms"] > min(starts.values()))
    (source,) = referring["after"]
    assert (spans[source]["kind"], spans[source]["end_ms"]) == ("tool", referring["start_ms"])
    plan = next(span for span in spans.values() if span["name"] == "plan")
    assert sum(span["after"] == [plan["id"]] for span in tools) == 3
    assert all(spans[i]["end_ms"] <= span["start_ms"] for span in tools for i in span["after"])
