from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentlanes import build_agent
from agentlanes.latency.export import observe, replay
from agentlanes.latency.export.files import JsonLines
from agentlanes.latency.jsonl import RunLog, read_run, read_runs
from agentlanes.latency.report.facts import proposals_of
from tests.oracle import Oracle, World

TRUTH = [("look", {"key": "a"}), ("store", {"key": "x", "value": "1"}), ("look", {"key": "x"})]
ASK: Any = {"messages": [("user", "do it")]}


@pytest.mark.parametrize("planning", ["never", "always"])
@pytest.mark.parametrize("wrong", [{}, {2: ("look", {"key": "q"})}])
async def test_a_file_tells_what_the_custom_stream_tells(
    tmp_path: Path, planning: str, wrong: Any
) -> None:
    oracle = Oracle(TRUTH, wrong=wrong)
    agent = build_agent(oracle.act, oracle.reason, World().tools(), planning=planning)
    watched = observe(agent, JsonLines(tmp_path / "observed"))
    with RunLog(tmp_path, "streamed") as log:
        async for event in watched.astream(ASK, stream_mode="custom"):
            log.event(event)
        log.result()
    streamed = proposals_of(read_run(log.path).events)
    (run,) = read_runs(tmp_path / "observed")
    assert {step["window"] for step in run.steps} == {one.window for one in streamed}
    known = {(one.window, one.index): one for one in proposals_of(run.events)}
    assert list(known) == [(one.window, one.index) for one in streamed]
    for one in streamed:
        found = known[one.window, one.index]
        # A proposal that left no span of its own has an outcome nobody wrote down.
        assert found.outcome in (one.outcome, None)
        assert replace(found, outcome=one.outcome) == one
    calls = [one for one in streamed if one.kind == "call" and one.outcome == "committed"]
    assert all(known[one.window, one.index].outcome == "committed" for one in calls)

    again = JsonLines(tmp_path / "again")
    assert replay([run], again) == 1
    (copy,) = read_runs(tmp_path / "again")
    assert (copy.events, copy.steps) == (run.events, run.steps)
