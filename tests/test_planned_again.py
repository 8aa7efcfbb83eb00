"""Plans that are drafted again while the verdict on a wrong one is out."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from agentlanes import build_agent, effect
from agentlanes.context import prompts
from agentlanes.errors import EndpointUnreachable
from agentlanes.testing import ScriptedModel, VirtualClock

ASK = {"messages": [("user", "go")]}
Steps = list[tuple[str, Any]]
NOWHERE = {"$step": 1, "$path": "nowhere"}
RIGHT: Steps = [("look", "a"), ("look", "b"), ("look", {"$step": 2})]


def plan(steps: Steps) -> list[dict[str, Any]]:
    return [{"tool": tool, "args": {"key": key}} for tool, key in steps]


class Stage:
    """An act lane whose plans are given one after the other, and a verdict after 20 s."""

    def __init__(self, *plans: Steps | Exception, verdict: dict[str, Any] | None = None) -> None:
        self.plans = [*plans]
        rejects = {"verdict": "reject", "reason": "no", "steps": plan(RIGHT)}
        self.verdict = rejects if verdict is None else verdict
        self.began: list[tuple[str, float]] = []
        self.told: list[str] = []
        self.events: list[dict[str, Any]] = []

    def run(self, **options: Any) -> tuple[dict[str, Any], float]:
        @effect("read", trusted=True)
        async def look(key: str) -> str:
            """Look something up."""
            return await self._take("look", key)

        async def undo(args: dict[str, Any], result: str | None, key: str) -> None:
            pass

        @effect("reversible", undo=undo)
        async def note(key: str) -> str:
            """Note something."""
            return await self._take("note", key)

        act = ScriptedModel(script=self._act, disable_streaming=True)
        reason = ScriptedModel(script=self._reason, disable_streaming=True)
        agent = build_agent(
            act,
            reason,
            [look, note],
            runs_ahead=("pure", "read", "reversible"),
            planning="always",
            **options,
        )

        async def run() -> dict[str, Any]:
            values: dict[str, Any] = {}
            async for mode, part in agent.astream(ASK, stream_mode=["custom", "values"]):
                if mode == "custom":
                    self.events.append(part)
                else:
                    values = part
            return values

        with VirtualClock() as clock:
            return clock.run(run()), clock.now

    @property
    def early(self) -> list[str]:
        return [call for call, time in self.began if time < 20.0]

    async def _take(self, tool: str, key: str) -> str:
        self.began.append((f"{tool} {key}", asyncio.get_running_loop().time()))
        await asyncio.sleep(1.0)
        return f"{key}+"

    async def _act(self, messages: Any, given: Any) -> AIMessage:
        system, last = str(messages[0].text), str(messages[-1].text)
        if prompts.DELIVER_SYSTEM in system:
            return AIMessage("done")
        if prompts.PLAN_SYSTEM not in system:
            if "drafted" in str(messages):
                return AIMessage("done")
            call = {"name": "look", "args": {"key": "drafted"}, "id": "x"}
            return AIMessage("", tool_calls=[call])
        self.told.append(last)
        await asyncio.sleep(0.5)
        answer = self.plans.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return AIMessage(json.dumps({"steps": plan(answer)}))

    async def _reason(self, messages: Any, given: Any) -> AIMessage:
        await asyncio.sleep(20.0)
        whole = '"kind": "plan"' in str(messages[-1].text)
        return AIMessage(
            json.dumps(self.verdict if whole else {"verdict": "approve", "reason": ""})
        )


def committed(result: dict[str, Any]) -> list[str]:
    return [f"{call['tool']} {call['args']['key']}" for call in result["committed"]]


def test_what_the_new_plan_reads_is_there_when_the_verdict_comes() -> None:
    stage = Stage([("look", "a"), ("look", NOWHERE)], RIGHT)
    result, took = stage.run()
    assert committed(result) == ["look a", "look b", "look b+"]
    made = ["look a", "look b", "look b+"]
    assert [call for call in stage.early if "drafted" not in call] == made, "each once, and early"
    assert took == pytest.approx(20.5), "nothing is left to do after the verdict"
    assert "step 2, look, cannot be made" in stage.told[1]
    assert "a+" not in stage.told[1], "what tools gave is not for an instruction to quote"


def test_events_tell_why_and_what_is_read_for_it() -> None:
    stage = Stage([("look", "a"), ("look", NOWHERE)], RIGHT)
    stage.run()
    begun, ended = (e for e in stage.events if e["type"] == "agentlanes.redraft")
    assert (begun["status"], ended["status"], ended["ok"]) == ("started", "ended", True)
    assert begun["reason"] == ended["reason"]
    assert begun["reason"].startswith("step 2, look, cannot be made")
    read = [e for e in stage.events if e["type"] == "agentlanes.early" and e["again"] == 0]
    assert [(e["status"], e["step"], e["args"]["key"]) for e in read] == [
        ("started", 1, "b"),
        ("ended", 1, "b"),
        ("started", 2, "b+"),
        ("ended", 2, "b+"),
    ]


def test_it_is_the_same_without_run_ahead_but_later() -> None:
    stage = Stage([("look", "a"), ("look", NOWHERE)], RIGHT)
    result, took = stage.run(max_run_ahead=0)
    assert committed(result) == ["look a", "look b", "look b+"]
    assert (len(stage.told), stage.early, took) == (1, [], pytest.approx(22.5))


def test_a_call_that_code_refuses_has_the_plan_drafted_again() -> None:
    stage = Stage([("look", "a"), ("look", {"$step": 1}), ("look", "z")], RIGHT)

    def check(case: Any) -> str | None:
        return "not that one" if case.proposal["args"].get("key") == "a+" else None

    result, _ = stage.run(checks=[check])
    assert committed(result) == ["look a", "look b", "look b+"]
    assert stage.early == ["look a", "look z", "look a+", "look b", "look b+"]
    assert "not that one" in stage.told[1]


def test_what_the_corrected_plan_does_not_ask_for_is_recorded_as_wasted() -> None:
    stage = Stage([("look", "a"), ("look", NOWHERE)], [("look", "z"), ("look", "b")])
    result, _ = stage.run()
    spans = [span for record in result["steps"] for span in record["spans"]]
    plans = [s for s in spans if s["name"] == "plan" and s["kind"] == "act"]
    assert [s["outcome"] for s in plans] == ["committed", "discarded"]
    lost = [s for s in spans if s["kind"] == "tool" and s["after"] == [plans[1]["id"]]]
    assert [(s["name"], s["outcome"]) for s in lost] == [("look", "discarded")] * 2
    assert committed(result) == ["look a", "look b", "look b+"]
    assert len({span["id"] for span in spans}) == len(spans)


def test_an_approved_plan_counts_whatever_was_drafted_meanwhile() -> None:
    stage = Stage(
        [("look", "a"), ("look", NOWHERE)],
        [("look", "z")],
        verdict={"verdict": "approve", "reason": "fine"},
    )
    result, _ = stage.run()
    assert committed(result) == ["look a", "look drafted"]


@pytest.mark.parametrize("failure", [EndpointUnreachable("gone", model="act"), ValueError("a bug")])
def test_a_plan_that_cannot_be_drafted_again_is_no_failure(failure: Exception) -> None:
    stage = Stage([("look", "a"), ("look", NOWHERE)], failure)
    result, _ = stage.run()
    assert committed(result) == ["look a", "look b", "look b+"]


def test_it_is_not_drafted_again_without_end() -> None:
    wrong = [("look", f"x{n}") for n in range(4)]
    stage = Stage(*[[one, ("look", NOWHERE)] for one in wrong])
    result, _ = stage.run()
    assert len(stage.told) == 3
    assert committed(result) == ["look a", "look b", "look b+"]


def test_nothing_is_read_for_later_where_something_is_changed() -> None:
    stage = Stage([("note", "a"), ("look", "c"), ("look", {**NOWHERE, "$step": 2})], RIGHT)
    result, _ = stage.run()
    assert len(stage.told) == 1
    assert committed(result) == ["look a", "look b", "look b+"]
