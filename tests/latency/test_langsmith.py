"""What reaches LangSmith, seen from a server that takes each operation on a run once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import langsmith
import langsmith.utils
import pytest
from langgraph.checkpoint.memory import InMemorySaver

from agentlanes import Lane, build_agent
from agentlanes.latency.label_trace import LABELS_KEY
from agentlanes.latency.langsmith import STEP_KEY, flush
from agentlanes.latency.record import StepRecord
from agentlanes.router.labels import labelled
from agentlanes.router.learning import read_rows
from agentlanes.testing import EndpointServer, Reply, ScriptedModel
from tests.latency.ingest import Ingest, Run, ingest_server
from tests.oracle import Oracle, World

REPO = Path(__file__).parents[2]
READS = [("look", {"key": "a"}), ("look", {"key": "b"})]
MIXED = [
    ("look", {"key": "a"}),
    ("store", {"key": "x", "value": "1"}),
    ("look", {"key": "x"}),
    ("store", {"key": "y", "value": "2"}),
]
ASK = {"messages": [("user", "do it")]}


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ingest]:
    """A server that the environment names; tracing itself is off."""
    with ingest_server() as ingest:
        for name in ("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("LANGSMITH_ENDPOINT", ingest.url)
        monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2_test")
        monkeypatch.setenv("LANGSMITH_PROJECT", "lanes")
        monkeypatch.setenv("LANGSMITH_USE_DAEMON", "true")
        _forget()
        yield ingest
        assert flush(20)
        _forget()


@pytest.fixture
def ingest(endpoint: Ingest, monkeypatch: pytest.MonkeyPatch) -> Ingest:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    _forget()
    return endpoint


def _forget() -> None:
    """Make langsmith read the environment again, and make a client of its own."""
    langsmith.configure(client=None)
    langsmith.utils.get_env_var.cache_clear()  # type: ignore[attr-defined]
    langsmith.utils.get_tracer_project.cache_clear()


def steps_of(ingest: Ingest) -> list[tuple[StepRecord, Run]]:
    """The records found in metadata, in the run's order, each with the run that has it."""
    found = [
        (run["extra"]["metadata"][STEP_KEY], run)
        for run in ingest.runs.values()
        if STEP_KEY in (run.get("extra") or {}).get("metadata", {})
    ]
    return sorted(found, key=lambda pair: pair[0]["step"])


def model_runs(ingest: Ingest) -> list[Run]:
    return [run for run in ingest.runs.values() if run["run_type"] == "llm"]


async def test_labels_are_in_the_settle_runs_and_an_export_gives_them_back(
    ingest: Ingest, tmp_path: Path
) -> None:
    oracle = Oracle(MIXED, wrong={2: ("look", {"key": "q"})})
    agent = build_agent(oracle.act, oracle.reason, World().tools(), planning="never")
    parts = [part async for part in agent.astream(ASK, stream_mode="custom")]
    assert flush(20)
    sent = [part["row"] for part in parts if part["type"] == "agentlanes.label"]
    holders = [r for r in ingest.runs.values() if LABELS_KEY in str(r.get("extra"))]
    assert {run["name"] for run in holders} == {"settle"}
    export = tmp_path / "export.json"
    export.write_text(json.dumps(list(ingest.runs.values())))
    assert labelled(read_rows([export])) == labelled(sent)
    assert sum(label.target for label in labelled(sent)) == 1


@pytest.mark.parametrize("planning", ["never", "always"])
@pytest.mark.parametrize("wrong", [{}, {2: ("look", {"key": "q"})}])
async def test_every_record_is_in_one_run(ingest: Ingest, planning: str, wrong: Any) -> None:
    oracle = Oracle(MIXED, wrong=wrong)
    agent = build_agent(oracle.act, oracle.reason, World().tools(), planning=planning, name="lanes")
    result = await agent.ainvoke(ASK)
    assert flush(20)
    (root,) = ingest.roots()
    assert root["name"] == "lanes"
    assert root["outputs"]["answer"] == result["answer"]
    found = steps_of(ingest)
    assert [record for record, _ in found] == result["steps"]
    assert all(set(record) == set(StepRecord.__annotations__) for record, _ in found)
    for record, run in found:
        if run["run_type"] == "llm":
            assert record["node"] in ingest.under(run)
            assert f"lane:{record['lane']}" in run["tags"]
        elif record["node"] == "effects":
            assert run["name"] == "effects"
        else:  # code issued the call from the plan, or the model run ended without a reply
            assert record["attempts"] == 0 or record["duration_ms"] is None
            assert ingest.under(run)[0] == "settle"
    recorded = {run["id"] for _, run in found}
    assert all(run["id"] in recorded or run.get("error") for run in model_runs(ingest))
    assert all(run["end_time"] for run in ingest.runs.values())
    assert ingest.refused == []


async def test_both_lanes_are_below_their_nodes(ingest: Ingest) -> None:
    oracle = Oracle(MIXED)
    agent = build_agent(oracle.act, oracle.reason, World().tools(), planning="never")
    await agent.ainvoke(ASK)
    assert flush(20)
    nodes: dict[str, set[str]] = {"lane:act": set(), "lane:reason": set()}
    for run in model_runs(ingest):
        (tag,) = set(run["tags"]) & set(nodes)
        nodes[tag] |= {"act", "reason", "deliver"} & set(ingest.under(run))
        assert ingest.under(run)[-1] == "agentlanes"
    assert nodes == {"lane:act": {"act", "deliver"}, "lane:reason": {"reason"}}


async def test_concurrent_runs_keep_their_records_apart(ingest: Ingest) -> None:
    async def one() -> list[StepRecord]:
        oracle = Oracle(READS, act_s=0.005, reason_s=0.01)
        agent = build_agent(oracle.act, oracle.reason, World().tools(), planning="never")
        steps: list[StepRecord] = (await agent.ainvoke(ASK))["steps"]
        return steps

    made = await asyncio.gather(*(one() for _ in range(4)))
    assert flush(20)
    by_trace: dict[str, list[StepRecord]] = {}
    for record, run in steps_of(ingest):
        by_trace.setdefault(run["trace_id"], []).append(record)
    assert sorted(map(str, by_trace.values())) == sorted(map(str, made))


async def test_a_repaired_reply_is_one_record_and_two_model_runs(ingest: Ingest) -> None:
    oracle = Oracle([])
    replies = ["no json", '{"verdict": "approve", "reason": "fine"}']
    agent = build_agent(oracle.act, ScriptedModel(script=replies))
    result = await agent.ainvoke(ASK)
    assert flush(20)
    verdicts = [run for run in model_runs(ingest) if "lane:reason" in run["tags"]]
    assert sorted(STEP_KEY in run["extra"]["metadata"] for run in verdicts) == [False, True]
    assert all(run["outputs"] and run["end_time"] for run in verdicts)
    assert [record for record, _ in steps_of(ingest)] == result["steps"]


async def test_a_cancelled_run_leaves_no_model_run_open(ingest: Ingest) -> None:
    oracle = Oracle(READS, reason_s=60)
    agent = build_agent(oracle.act, oracle.reason, World().tools(), planning="never")
    task = asyncio.create_task(agent.ainvoke(ASK))
    async with asyncio.timeout(20):
        while len(oracle.act.calls) < 3:  # noqa: ASYNC110 - the scripted model signals nothing
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert flush(20)
    runs = model_runs(ingest)
    assert len(runs) >= 5
    assert all(run["end_time"] for run in runs)
    assert {"CancelledError()" in (run.get("error") or "") for run in runs} == {True, False}
    assert steps_of(ingest) == []


async def test_a_run_that_fails_and_is_resumed(ingest: Ingest) -> None:
    world, oracle = World(), Oracle(MIXED)
    tools = world.tools()

    async def broken(key: str, value: str) -> str:
        """Store a value."""
        raise ConnectionError("gone")

    broken.__name__ = "store"
    agent = build_agent(
        oracle.act,
        oracle.reason,
        [tools[0], broken],
        planning="never",
        checkpointer=InMemorySaver(),
    )
    config: Any = {"configurable": {"thread_id": "t"}}
    for given in (ASK, None):
        assert (await agent.ainvoke(given, config))["__interrupt__"]
    assert flush(20)
    kept = (await agent.aget_state(config)).values["steps"]
    assert [record for record, _ in steps_of(ingest)] == kept
    assert ingest.refused == []


async def test_no_secret_is_sent(ingest: Ingest) -> None:
    secrets = {"act": "sk-act-0123456789", "reason": "sk-reason-0123456789"}

    def act(body: dict[str, Any]) -> Reply:
        return Reply(content="four")

    def reason(body: dict[str, Any]) -> Reply:
        return Reply(content='{"verdict": "approve", "reason": "it is four"}')

    async with EndpointServer({"act": act, "reason": reason}) as server:
        lanes = [Lane(n, base_url=server.base_url, api_key=key) for n, key in secrets.items()]
        result = await build_agent(*lanes).ainvoke(ASK)
    assert flush(20)
    assert result["answer"] == "four"
    assert [record for record, _ in steps_of(ingest)] == result["steps"]
    sent = b"".join(ingest.raw)
    assert b"it is four" in sent
    for secret in secrets.values():
        assert secret.encode() not in sent


async def test_nothing_is_sent_unless_tracing_is_on(endpoint: Ingest) -> None:
    oracle = Oracle(MIXED)
    await build_agent(oracle.act, oracle.reason, World().tools()).ainvoke(ASK)
    assert flush(5)
    assert endpoint.paths == []


async def test_a_tracer_of_ones_own_class_sees_the_same_records(ingest: Ingest) -> None:
    from langchain_core.tracers.langchain import LangChainTracer

    class Mine(LangChainTracer):
        pass

    oracle = Oracle(READS)
    agent = build_agent(oracle.act, oracle.reason, World().tools(), planning="never")
    result = await agent.ainvoke(ASK, {"callbacks": [Mine()]})
    assert flush(20)
    assert [record for record, _ in steps_of(ingest)] == result["steps"]
    assert ingest.refused == []


@pytest.mark.parametrize("dead", ["refuses", "never answers"])
def test_a_dead_langsmith_does_not_hold_the_exit(dead: str) -> None:
    script = textwrap.dedent("""
        import asyncio, os, socket, sys
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        if sys.argv[1] == "never answers":
            listener.listen()  # the kernel accepts; nobody ever reads
        os.environ["LANGSMITH_TRACING"] = "true"
        os.environ["LANGSMITH_API_KEY"] = "lsv2_test"
        os.environ["LANGSMITH_ENDPOINT"] = "http://127.0.0.1:%d" % listener.getsockname()[1]
        from agentlanes import build_agent
        from agentlanes.latency.langsmith import flush
        from tests.oracle import Oracle, World
        oracle = Oracle([("look", {"key": "a"})])
        agent = build_agent(oracle.act, oracle.reason, World().tools())
        result = asyncio.run(agent.ainvoke({"messages": [("user", "do it")]}))
        print(result["answer"], flush(0.5))
    """)
    # Without the bound the process hangs for a minute or more; the timeout only ends a hang.
    done = subprocess.run(
        [sys.executable, "-c", script, dead],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=40,
        check=True,
    )
    assert done.stdout.startswith("done: 1 calls")
