"""A LangSmith that is down costs nothing, holds nothing up, and is said to be down."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import langsmith
import langsmith.run_trees
import langsmith.utils
import pytest
from langsmith import Client

from agentlanes import build_agent
from agentlanes.latency.guard import MAX_HELD_BYTES, Guard, guard
from agentlanes.latency.langsmith import flush, prepare
from benchmarks.faults.langsmith import MAX_GROWTH_MIB, measure
from tests.latency.ingest import ingest_server
from tests.oracle import Oracle, World

REPO = Path(__file__).parents[2]
ASK = {"messages": [("user", "do it")]}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def forget() -> None:
    """Make langsmith read the environment again, and make a client of its own."""
    langsmith.configure(client=None, enabled=None)
    langsmith.utils.get_env_var.cache_clear()  # type: ignore[attr-defined]
    langsmith.utils.get_tracer_project.cache_clear()


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where tracing goes to, and nobody is."""
    port = free_port()
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGSMITH_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2_test")
    monkeypatch.setenv("LANGSMITH_DISABLE_RUN_COMPRESSION", "true")
    forget()
    yield port
    flush(5)
    forget()


async def run_once() -> None:
    oracle = Oracle([("look", {"key": "a"})])
    agent = build_agent(oracle.act, oracle.reason, World().tools(), planning="never")
    assert (await agent.ainvoke(ASK))["answer"] == "done: 1 calls"


def the_guard() -> Guard:
    client = langsmith.run_trees._CLIENT
    assert client is not None
    return guard(client)


async def until(what: object, value: str, wanted: bool) -> None:
    async with asyncio.timeout(30):
        while getattr(what, value) is not wanted:  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.02)


async def settled_loss(kept: Guard) -> int:
    """Give the loss once the sending thread has counted all that waited when it paused."""
    async with asyncio.timeout(30):
        while True:
            before = kept.lost_runs
            await asyncio.sleep(0.5)
            if 0 < before == kept.lost_runs:
                return before


@pytest.mark.parametrize(
    ("service", "maker"),
    [("refused", "agentlanes"), ("black hole", "langchain")],
)
def test_a_dead_service_is_bounded(service: str, maker: str) -> None:
    seen = measure(service, maker, runs=10, blocks=5)  # type: ignore[arg-type]
    assert seen["lost_runs"] > 0
    assert seen["growth_mib"] < 1.5 * MAX_GROWTH_MIB
    assert seen["traced_steps"] == 0  # what a step then costs is measured by `make faults`
    assert seen["exit_s"] < 20  # a minute or more by itself


def test_an_exit_before_anything_is_known(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        textwrap.dedent("""
            import asyncio, os, socket
            listener = socket.socket()
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            os.environ["LANGSMITH_TRACING"] = "true"
            os.environ["LANGSMITH_API_KEY"] = "lsv2_test"
            os.environ["LANGSMITH_ENDPOINT"] = "http://127.0.0.1:%d" % listener.getsockname()[1]
            from agentlanes import build_agent
            from tests.oracle import Oracle, World
            oracle = Oracle([("look", {"key": "a"})])
            agent = build_agent(oracle.act, oracle.reason, World().tools())
            asyncio.run(agent.ainvoke({"messages": [("user", "do it")]}))
        """)
    )
    # Without a guard this takes four minutes; the timeout only ends a hang.
    done = subprocess.run(
        [sys.executable, script],
        cwd=REPO,
        env={"PYTHONPATH": str(REPO), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    said = [line for line in done.stderr.splitlines() if line.startswith("LangSmith at")]
    assert said
    assert "runs" in said[-1]


def test_a_short_program_loses_nothing_to_a_service_that_is_up() -> None:
    script = textwrap.dedent("""
        import asyncio, os, sys
        os.environ["LANGSMITH_ENDPOINT"] = sys.argv[1]
        os.environ["LANGSMITH_TRACING"] = "true"
        os.environ["LANGSMITH_API_KEY"] = "lsv2_test"
        from agentlanes import build_agent
        from tests.oracle import Oracle, World
        oracle = Oracle([("look", {"key": "a"})])
        agent = build_agent(oracle.act, oracle.reason, World().tools())
        asyncio.run(agent.ainvoke({"messages": [("user", "do it")]}))
    """)
    with ingest_server() as ingest:
        done = subprocess.run(
            [sys.executable, "-c", script, ingest.url],
            cwd=REPO,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert "LangSmith" not in done.stderr
        (root,) = ingest.roots()
        assert root["outputs"]["answer"] == "done: 1 calls"
        assert all(run.get("end_time") for run in ingest.runs.values())


async def test_tracing_is_paused_and_comes_back(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "agentlanes")
    prepare()
    await run_once()
    kept = the_guard()
    await until(kept, "paused", True)
    lost = await settled_loss(kept)
    await run_once()
    assert kept.untraced_steps > 0
    assert kept.lost_runs == lost
    with ingest_server(port) as ingest:
        await until(kept, "paused", False)
        await run_once()
        assert not kept.drain(time.monotonic() + 20)  # all is sent, but something was lost before
        (root,) = ingest.roots()
        assert root["outputs"]["answer"] == "done: 1 calls"
    said = [record.getMessage() for record in caplog.records if record.name.endswith("guard")]
    assert len(said) == 2
    assert "does not answer" in said[0]
    assert f"{lost} runs were dropped" in said[1]


def test_the_queue_is_bounded_in_bytes(port: int) -> None:
    with ingest_server() as ingest:
        client = Client(api_url=ingest.url, api_key="lsv2_test", info={})
        kept = guard(client, late=False)
        assert guard(client) is kept
        queue = client.tracing_queue
        assert queue is not None
        now = "20260101T000000000000Z"
        with kept._info_lock:  # the service takes its time to say that it is there
            for at in range(100):
                run_id = f"00000000-0000-0000-0000-{at:012d}"
                client.create_run(
                    "big",
                    {"text": "x" * 2**20},
                    "chain",
                    id=run_id,
                    trace_id=run_id,
                    dotted_order=f"{now}{run_id}",
                )
            assert 0 < queue.unfinished_tasks < MAX_HELD_BYTES / 2**20
            assert kept.lost_runs == 100 - queue.unfinished_tasks
        kept.drain(time.monotonic() + 20)
        assert len(ingest.runs) == 100 - kept.lost_runs
        client.close(0)


def test_what_is_no_trace_is_left_alone(port: int) -> None:
    client = Client(api_key="lsv2_test", info={})
    kept = guard(client, late=False)
    kept._found_down(ConnectionError("none"))
    kept.close()
    with ingest_server(port) as ingest:
        assert client.session.get(f"{ingest.url}/datasets", timeout=5).status_code == 200
    assert ingest.paths == ["GET /datasets"]
    client.close(0)
