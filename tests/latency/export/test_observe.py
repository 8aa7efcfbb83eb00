from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Send

from agentlanes import build_agent
from agentlanes.latency.export import RunStart, observe, replay
from agentlanes.latency.export.files import JsonLines
from agentlanes.latency.jsonl import read_run, read_runs
from agentlanes.testing import ScriptedModel
from tests.latency.export.served import Kept
from tests.oracle import Oracle, World

TRUTH = [("look", {"key": "a"}), ("store", {"key": "x", "value": "1"})]
ASK: Any = {"messages": [("user", "do it")]}


def agent(oracle: Oracle | None = None, **options: Any) -> Any:
    oracle = oracle or Oracle(TRUTH)
    options = {"planning": "never", "name": "watched", **options}
    return build_agent(oracle.act, oracle.reason, World().tools(), **options)


async def test_records_come_as_they_are_made_and_are_those_of_the_state() -> None:
    kept = Kept()
    result = await observe(agent(), kept).ainvoke(ASK)
    (run,) = kept.runs
    assert run.records == result["steps"]
    # A settled window, its effect, the window in which all is done, the answer.
    assert [batch[0]["node"] for batch in run.batches] == ["act", "effects", "act", "deliver"]
    assert (run.start.graph, run.start.live, run.start.resumed) == ("watched", True, False)
    (end,) = run.ends
    assert (end.status, end.error, end.outputs["answer"]) == ("done", None, result["answer"])
    assert end.wall_ms is not None
    assert end.wall_ms >= max(record["ended_ms"] or 0.0 for record in run.records)


async def test_however_it_is_run() -> None:
    kept = Kept()
    watched = observe(agent(), kept)
    async for _ in watched.astream(ASK, stream_mode="values"):
        pass
    async for _ in watched.astream_events(ASK, version="v2"):
        pass
    outer: Any = StateGraph(MessagesState)
    outer.add_node("inner", watched)
    outer.add_edge(START, "inner")
    outer.add_edge("inner", END)
    await outer.compile().ainvoke(ASK)
    nodes = [[record["node"] for record in run.records] for run in kept.runs]
    assert len(nodes) == 3
    assert nodes[0] == nodes[1] == nodes[2] != []
    assert [run.ends[0].status for run in kept.runs] == ["done"] * 3


async def test_runs_at_the_same_time_are_kept_apart() -> None:
    kept = Kept()
    watched = observe(agent(Oracle(TRUTH, act_s=0.002, reason_s=0.005)), kept)
    results = await asyncio.gather(*(watched.ainvoke(ASK) for _ in range(4)))
    told = [str(run.records) for run in kept.runs]
    assert sorted(told) == sorted(str(result["steps"]) for result in results)


def twice(inner: Any) -> Any:
    above: Any = StateGraph(MessagesState)
    above.add_node("inner", inner)
    above.add_conditional_edges(START, lambda state: [Send("inner", ASK)] * 2, ["inner"])
    above.add_edge("inner", END)
    return above.compile()


async def test_an_agent_that_a_graph_above_runs_twice_is_two_runs() -> None:
    kept = Kept()
    await twice(observe(agent(), kept)).ainvoke(ASK)
    steps = [[record["step"] for record in run.records] for run in kept.runs]
    assert len(steps) == 2
    assert steps[0] == steps[1] == [*range(len(steps[0]))] != []


async def test_the_graph_above_is_one_run_and_says_that_there_were_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "agentlanes")
    kept = Kept()
    await observe(twice(agent()), kept).ainvoke(ASK)
    (run,) = kept.runs
    steps = [record["step"] for record in run.records]
    assert steps == [*range(len(steps))] != []
    (said,) = (one.getMessage() for one in caplog.records if one.name.endswith("observe"))
    assert "observe(agent, ...)" in said


async def test_a_run_that_asks_a_person_goes_on_as_another_on_its_thread() -> None:
    kept = Kept()
    watched = observe(agent(checkpointer=InMemorySaver(), approval={"write": "always"}), kept)
    config = {"configurable": {"thread_id": "t7"}}
    await watched.ainvoke(ASK, config)
    result = await watched.ainvoke(Command(resume={"decisions": [{"type": "approve"}]}), config)
    first, second = kept.runs
    assert [run.ends[0].status for run in kept.runs] == ["stopped", "done"]
    assert [run.start.thread for run in kept.runs] == ["t7", "t7"]
    assert [run.start.resumed for run in kept.runs] == [False, True]
    assert first.records + second.records == result["steps"]
    assert first.records
    await watched.ainvoke(ASK, config)
    assert kept.runs[2].start.resumed is False
    assert kept.runs[2].records[0]["step"] == 0


async def test_how_a_run_failed_is_told_by_type_alone() -> None:
    kept = Kept()
    stubborn = Oracle(TRUTH, wrong={0: ("look", {"key": "secret"})}, always=True)
    with pytest.raises(Exception, match="Raise max_corrections"):
        await observe(agent(stubborn, max_corrections=1), kept).ainvoke(ASK)
    (run,) = kept.runs
    (end,) = run.ends
    assert (end.status, end.error, dict(end.outputs)) == ("failed", "CorrectionLimit", {})
    assert {record["outcome"] for record in run.records} >= {"discarded"}


async def test_a_cancelled_run_is_stopped_and_nothing_is_remembered_of_it() -> None:
    kept, asked = Kept(), asyncio.Event()

    async def reason(messages: Any, kwargs: Any) -> AIMessage:
        asked.set()
        await asyncio.sleep(3600)
        raise AssertionError

    oracle = Oracle(TRUTH)
    oracle.reason = ScriptedModel(script=reason)
    watched = observe(agent(oracle), kept)
    task = asyncio.create_task(watched.ainvoke(ASK))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [end.status for end in kept.runs[0].ends] == ["stopped"]
    (watch,) = watched.config["callbacks"]
    assert (watch._runs, watch._inside) == ({}, {})


async def test_an_exporter_that_fails_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def open(self, run: RunStart) -> Any:
            raise OSError("no disk")

    class Sink:
        def steps(self, records: Any) -> None:
            raise OSError("disk full")

        def end(self, end: Any) -> None:
            raise OSError("disk full")

    class Late:
        def open(self, run: RunStart) -> Any:
            return Sink()

    kept = Kept()
    with caplog.at_level(logging.WARNING):
        result = await observe(agent(), Broken(), Late(), kept).ainvoke(ASK)
    assert kept.runs[0].records == result["steps"]
    assert "did not take a run" in caplog.text
    assert "did not take all of a run" in caplog.text


async def test_without_records_there_is_a_run_and_no_step() -> None:
    kept = Kept()
    result = await observe(agent(records=False), kept).ainvoke(ASK)
    assert result["steps"] == []
    assert (kept.runs[0].batches, kept.runs[0].ends[0].status) == ([], "done")


async def test_files_say_what_was_observed_and_can_be_sent_again(tmp_path: Path) -> None:
    kept, again = Kept(), Kept()
    watched = observe(agent(), kept, JsonLines(tmp_path, variant="a"))
    result = await watched.ainvoke(ASK)
    (run,) = read_runs(tmp_path)
    assert (run.graph, run.status, run.head["variant"]) == ("watched", "done", "a")
    assert run.steps == result["steps"]
    assert run.result is not None
    assert (run.result["answer"], run.result["committed"]) == (
        result["answer"],
        result["committed"],
    )
    assert replay([run], again) == 1
    assert again.runs[0].batches == kept.runs[0].batches
    assert again.runs[0].ends[0].outputs["answer"] == result["answer"]
    assert again.runs[0].start.started == kept.runs[0].start.started
    assert again.runs[0].start.live is False


def test_a_file_that_a_crash_cut_short_is_a_stopped_run(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text('{"type": "run", "schema": 1, "started": "2026-01-01T00:00:00+00:00"}\n{"ty')
    kept = Kept()
    assert replay([read_run(file)], kept) == 1
    (end,) = kept.runs[0].ends
    assert (end.status, end.wall_ms) == ("stopped", None)


def test_the_agent_stays_a_graph() -> None:
    plain = agent()
    watched = observe(plain, Kept())
    assert type(watched) is type(plain)
    assert watched.get_graph().draw_mermaid() == plain.get_graph().draw_mermaid()


@pytest.mark.parametrize(
    ("package", "module", "extra"),
    [("opentelemetry", "otel", "otel"), ("pandas", "frames", "pandas")],
)
def test_a_missing_package_is_named_with_its_extra(package: str, module: str, extra: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        f"from agentlanes.errors import MissingExtra\n"
        f"import agentlanes.latency.export as export\n"
        f"try:\n"
        f"    from agentlanes.latency.export import {module}\n"
        f"    {module}.to_frames([])\n"
        f"except MissingExtra as error:\n"
        f"    print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert f"pip install 'agentlanes[{extra}]'" in told.stdout
