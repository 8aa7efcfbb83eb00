"""A run that runs ahead ends as the run that waits for every verdict."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agentlanes import build_agent
from tests.oracle import Oracle, World
from tests.test_graph import ask

KEYS = st.sampled_from("abc")
CALLS = st.one_of(
    st.builds(lambda key: ("look", {"key": key}), KEYS),
    st.builds(lambda n: ("double", {"number": n}), st.integers(0, 3)),
    st.builds(lambda k, v: ("store", {"key": k, "value": v}), KEYS, st.sampled_from("xy")),
)
TASKS = st.lists(CALLS, max_size=6)


@st.composite
def schedules(draw: st.DrawFn) -> dict[str, Any]:
    truth = draw(TASKS)
    places = st.sampled_from(range(len(truth))) if truth else st.nothing()
    wrong = draw(st.dictionaries(places, CALLS, max_size=3)) if truth else {}
    wrong = {place: call for place, call in wrong.items() if call != truth[place]}
    return {
        "truth": truth,
        "wrong": wrong,
        "act_s": draw(st.sampled_from([0.0, 0.001])),
        "reason_s": draw(st.sampled_from([0.0, 0.002])),
        "run_ahead": draw(st.integers(1, 8)),
        "max_window": draw(st.integers(1, 8)),
        "planning": draw(st.sampled_from(["never", "always"])),
    }


async def outcome(schedule: dict[str, Any], *, run_ahead: int) -> tuple[Any, ...]:
    world = World()
    names = ("truth", "wrong", "act_s", "reason_s")
    oracle = Oracle(**{name: schedule[name] for name in names})
    agent = build_agent(
        oracle.act,
        oracle.reason,
        world.tools(),
        planning=schedule["planning"],
        max_window=schedule["max_window"],
        max_run_ahead=run_ahead,
    )
    result = await agent.ainvoke(ask())
    transcript = [(m.type, m.content, getattr(m, "tool_calls", None)) for m in result["messages"]]
    writes = [call for call in world.log if call[0] == "store"]
    return result["committed"], result["answer"], transcript, writes, world.data


@settings(max_examples=60, deadline=None)
@given(schedules())
def test_running_ahead_changes_nothing_but_the_time(schedule: dict[str, Any]) -> None:
    async def both() -> None:
        ahead = await outcome(schedule, run_ahead=schedule["run_ahead"])
        assert ahead == await outcome(schedule, run_ahead=0)
        committed = [(call["tool"], call["args"]) for call in ahead[0]]
        assert committed == schedule["truth"]
        assert ahead[3] == [call for call in schedule["truth"] if call[0] == "store"]

    asyncio.run(both())
