"""Run files: what is written while a run goes, and what is left when it is killed."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agentlanes import build_agent
from agentlanes.config import Secret
from agentlanes.errors import ConfigError, StepLimit
from agentlanes.latency.jsonl import SCHEMA_VERSION, RunLog, read_run, read_runs
from agentlanes.latency.record import StepRecord, blank_record
from agentlanes.redact import remember
from tests.oracle import Oracle, World

REPO = Path(__file__).parents[2]
MIXED = [("look", {"key": "a"}), ("store", {"key": "x", "value": "ü\u2028\n"})]
ASK = {"messages": [("user", "do it")]}


def record(step: int) -> StepRecord:
    return blank_record(step=step, window=0, node="act", lane="act", outcome="committed")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


async def test_a_run_writes_its_records_as_they_are_made(tmp_path: Path) -> None:
    oracle = Oracle(MIXED)
    agent = build_agent(oracle.act, oracle.reason, World().tools(), planning="never")
    result: dict[str, Any] = {}
    seen: list[int] = []
    with RunLog(tmp_path / "a" / "runs", "run-1", graph="assistant") as log:
        async for mode, part in agent.astream(ASK, stream_mode=["custom", "values"]):
            if mode == "custom":
                log.event(part)
                seen.append(len(lines(log.path)))
            else:
                result = part
        log.result(answer=result["answer"], committed=result["committed"])
    head, *said, last = lines(log.path)
    assert seen[-1] == len(said) + 1
    steps = [line for line in said if line["type"] == "step"]
    assert len(steps) == len(result["steps"])
    assert list(head) == ["type", "schema", "run_id", "graph", "started"]
    assert (head["type"], head["schema"], head["run_id"]) == ("run", SCHEMA_VERSION, "run-1")
    assert all(list(step) == ["type", *StepRecord.__annotations__] for step in steps)
    assert (last["type"], last["status"], last["answer"]) == ("result", "done", result["answer"])
    assert last["committed"] == result["committed"]
    run = read_run(log.path)
    assert run.steps == result["steps"]
    assert (run.run_id, run.graph, run.status, run.torn) == ("run-1", "assistant", "done", 0)


def test_a_file_keeps_what_was_proposed_and_said_of_it_and_no_arguments(tmp_path: Path) -> None:
    at = {"window": 0, "index": 0}
    steps = [{"tool": "look", "args": {"key": "sesame"}}]
    proposal = {"kind": "plan", "tool": "look", "args": {"key": "sesame"}, "text": "sesame"}
    more = {"effect": "read", "fenced": False, "rides_on": None, "drafted": True, "steps": steps}
    verdict = {"status": "reject", "by": "reason", "reason": "no \n" * 200, "suggestion": steps[0]}
    with RunLog(tmp_path, "r") as log:
        log.event({"type": "agentlanes.proposal", **at, **proposal, **more})
        log.event({"type": "agentlanes.verdict", **at, **verdict})
        log.event({"type": "agentlanes.settled", "window": 0, "outcomes": ["discarded"]})
        log.event({"type": "agentlanes.tool", **at, "status": "started", "ahead": True, "ok": True})
        log.event({"type": "another.package", "secret": "sesame"})
        log.event("sesame")
    assert b"sesame" not in log.path.read_bytes()
    proposed, said, settled = read_run(log.path).events
    assert (proposed["type"], proposed["kind"], proposed["steps"]) == ("proposal", "plan", ["look"])
    assert (said["type"], said["status"], len(said["reason"]) <= 240) == ("verdict", "reject", True)
    assert "\n" not in said["reason"]
    assert settled["outcomes"] == ["discarded"]


def test_a_killed_run_keeps_every_record_it_wrote(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from agentlanes.latency.jsonl import RunLog\n"
        "from agentlanes.latency.record import blank_record\n"
        "log = RunLog(sys.argv[1], 'killed')\n"
        "for n in range(3):\n"
        "    log.step(blank_record(step=n, window=0, node='act', outcome='committed'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=REPO, timeout=60)
    assert done.returncode == -signal.SIGKILL
    (run,) = read_runs(tmp_path)
    assert [step["step"] for step in run.steps] == [0, 1, 2]
    assert (run.status, run.result) == ("open", None)


def test_a_file_cut_at_any_byte_can_be_read(tmp_path: Path) -> None:
    with RunLog(tmp_path, "whole") as log:
        log.step(record(0))
        log.result(answer="é")
    data = log.path.read_bytes()
    whole = read_run(log.path)
    cut = tmp_path / "cut.jsonl"
    for size in range(len(data)):
        cut.write_bytes(data[:size])
        run = read_run(cut)
        assert run.steps in ([], whole.steps)
        assert run.result in (None, whole.result)
        assert run.torn <= 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StepLimit(3), "failed"),
        (asyncio.CancelledError(), "stopped"),
        (KeyboardInterrupt(), "stopped"),
    ],
)
def test_what_ends_a_run_is_its_result(tmp_path: Path, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), RunLog(tmp_path, "r"):
        raise error
    run = read_run(tmp_path / "r.jsonl")
    assert run.result is not None
    assert (run.status, run.result["error"]) == (status, type(error).__name__)


def test_a_run_has_one_file(tmp_path: Path) -> None:
    RunLog(tmp_path, "r").close()
    with pytest.raises(FileExistsError):
        RunLog(tmp_path, "r")


@pytest.mark.parametrize("run_id", ["", "..", "../x", "a/b", "a\0b", ".hidden", "x" * 300])
def test_a_run_id_is_a_plain_file_name(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(ConfigError):
        RunLog(tmp_path / "runs", run_id)
    assert list(tmp_path.iterdir()) == []


def test_what_json_has_no_form_for_is_written_as_text(tmp_path: Path) -> None:
    with RunLog(tmp_path, "r") as log:
        log.result(answer="\ud800", committed=[{"tool": "t", "args": {"path": Path("x")}}])
    run = read_run(log.path)
    assert run.result is not None
    assert run.result["committed"][0]["args"] == {"path": "x"}


def test_runs_come_in_the_order_they_started(tmp_path: Path) -> None:
    for run_id in ("b", "a", "c"):
        RunLog(tmp_path, run_id).close()
    assert [run.run_id for run in read_runs(tmp_path)] == ["b", "a", "c"]
    assert list(read_runs(tmp_path / "none")) == []


def test_a_newer_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps({"type": "run", "schema": SCHEMA_VERSION + 1}) + "\n")
    with pytest.raises(ConfigError, match="upgrade"):
        read_run(path)


def test_a_file_of_the_first_version_is_read(tmp_path: Path) -> None:
    old = {"type": "step", "step": 0, "window": 0, "node": "act", "outcome": "committed"}
    lines = [{"type": "run", "schema": 1, "run_id": "old", "graph": None}, old]
    path = tmp_path / "old.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (step,) = read_run(path).steps
    assert (step["version"], step["spans"], step["started_ms"]) == (1, [], None)
    assert set(step) == set(StepRecord.__annotations__)


async def test_one_event_holds_the_records_of_a_window_and_a_file_a_line_for_each(
    tmp_path: Path,
) -> None:
    oracle = Oracle(MIXED)
    agent = build_agent(oracle.act, oracle.reason, World().tools(), planning="never")
    told: list[dict[str, Any]] = []
    result: dict[str, Any] = {}
    with RunLog(tmp_path, "r") as log:
        async for mode, part in agent.astream(ASK, stream_mode=["custom", "values"]):
            if mode == "values":
                result = part
            elif part["type"] == "agentlanes.steps":
                log.event(part)
                told.append(part)
    assert all(event["window"] == step["window"] for event in told for step in event["records"])
    assert len({event["window"] for event in told}) > 1
    assert [step for event in told for step in event["records"]] == result["steps"]
    written = [line for line in lines(log.path) if line["type"] == "step"]
    assert [{**line, "type": "step"} for line in result["steps"]] == written


def test_a_record_that_has_not_the_form_of_one_is_written_all_the_same(tmp_path: Path) -> None:
    key = "sk-proj-0123456789abcdef0123"
    odd: list[Any] = [
        {**record(1), "note": key},
        {**record(2), "model": [key]},
        {**record(3), "tokens": None},
        {**record(4), "tier": "\ud800"},
        {"step": 5, "note": {"key": key}},
    ]
    with RunLog(tmp_path, "r") as log:
        log.steps([record(0), *odd])
        for one in odd:
            log.steps([one])
        log.steps([])
    assert key not in log.path.read_text()
    assert [line["step"] for line in lines(log.path)[1:]] == [0, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5]


def test_a_text_that_was_clean_is_looked_through_again_when_there_is_a_new_secret(
    tmp_path: Path,
) -> None:
    said = {"window": 0, "index": 0, "status": "reject", "by": "reason", "reason": "not sesame-7"}
    with RunLog(tmp_path, "r") as log:
        log.event({"type": "agentlanes.verdict", **said})
        log.steps([{**record(0), "model": "sesame-7"}])
        secret = Secret("sesame-7")
        remember(secret)
        log.event({"type": "agentlanes.verdict", **said})
        log.steps([{**record(0), "model": "sesame-7"}])
    _, *kept = log.path.read_text().splitlines()
    assert ["sesame-7" in line for line in kept] == [True, True, False, False]
    assert [json.loads(line)["type"] for line in kept] == ["verdict", "step"] * 2


def test_a_credential_in_any_text_of_a_record_is_hidden(tmp_path: Path) -> None:
    key = "sk-proj-0123456789abcdef0123"
    span = {"id": "e0", "kind": "tool", "name": key, "start_ms": 0.0, "end_ms": 1.0, "after": []}
    for place, known in enumerate(
        (
            {"route_reason": f"asked with {key}"},
            {"spans": [span]},
            {"prefix": {"broke": key}},
            {"tokens": {"input": 1, "output": key}},
        )
    ):
        with RunLog(tmp_path, f"run{place}") as log:
            log.step({**record(0), **known})  # type: ignore[typeddict-item]
        assert key not in log.path.read_text()
        assert len(read_run(log.path).steps) == 1
