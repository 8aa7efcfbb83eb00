from __future__ import annotations

import argparse
import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agentlanes.bench import peers as command
from agentlanes.cli.main import main
from agentlanes.errors import ConfigError
from benchmarks.peers.figures import rows_of
from benchmarks.peers.jobs import run_jobs
from benchmarks.peers.journal import Journal, JournalMismatch
from benchmarks.peers.real import run_sockets
from benchmarks.peers.run import Setup, blocks_of
from benchmarks.peers.targets import targets_of
from benchmarks.peers.workloads import WORKLOADS, items_of

SETUP = Setup(workload="retrieval", contestants=("agentlanes-plan", "dag"))


def plain(outcomes):
    return [dataclasses.replace(one, cpu_s=0.0) for one in outcomes]


def test_blocks_lie_at_fixed_places():
    items = items_of("retrieval")
    assert blocks_of(items, 25) == [range(10), range(10, 20), range(20, 25)]
    assert blocks_of(items, 10, skip=5) == [range(5, 10), range(10, 15)]
    assert blocks_of(items, 999, skip=95) == [range(95, 100)]


def test_any_number_of_processes_gives_the_same(capfd):
    one = plain(run_jobs(SETUP, tasks=12))
    assert [done.task for done in one][::2] == [f"retrieval_{n}" for n in range(12)]
    assert all(done.success for done in one)
    assert plain(run_jobs(SETUP, tasks=12, jobs=2)) == one
    assert "12 of 12 tasks" in capfd.readouterr().err


def test_a_run_goes_on_from_its_whole_blocks(tmp_path):
    file = tmp_path / "kept.jsonl"
    setup = dataclasses.replace(SETUP, contestants=("agentlanes-approve",))
    done = run_jobs(setup, tasks=12, journal=Journal(file, {"seed": 0}))
    text = file.read_text()
    file.write_text(text[:-40])  # as if it had been stopped while it wrote the second block
    journal = Journal(file, {"seed": 0})
    tasks = [one.task for one in done]
    assert journal.has("retrieval", tasks[:10]) == done[:10]
    assert journal.has("retrieval", tasks) is None
    again = run_jobs(setup, tasks=12, journal=journal)
    assert plain(again) == plain(done)
    assert len(file.read_text().splitlines()) == 3


def test_a_file_of_another_run_is_refused(tmp_path):
    file = tmp_path / "kept.jsonl"
    Journal(file, {"seed": 0})
    with pytest.raises(JournalMismatch, match="seed 0, now 1"):
        Journal(file, {"seed": 1})
    head = json.loads(file.read_text())
    file.write_text(json.dumps({**head, "code": "other"}) + "\n")
    with pytest.raises(JournalMismatch, match="code 'other'"):
        Journal(file, {"seed": 0})


async def test_sockets_give_what_the_virtual_clock_gives():
    setup = dataclasses.replace(SETUP, act_error=0.3)
    over_sockets = await run_sockets(setup, tasks=2, skip=0, scale=500.0)
    virtual = in_thread(setup)
    assert all(one.success for one in over_sockets)
    for one, other in zip(over_sockets, virtual, strict=True):
        assert (one.task, one.contestant, one.calls) == (other.task, other.contestant, other.calls)
        assert one.reason_requests >= 1
        assert one.reason_tokens > 0


def in_thread(setup):
    """Run on virtual time in a thread: this one's loop is running."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run_jobs, setup, tasks=2).result()


def row(contestant, p50, **more):
    return {
        "workload": "bfcl",
        "contestant": contestant,
        "success": 1.0,
        "wall_p50_s": p50,
        "bound_ratio": 0.5,
        **more,
    }


def test_targets_are_met_and_missed():
    rows = [
        row("create_agent-reason", 60.0),
        row("create_agent-act", 3.0, success=0.97),
        row("agentlanes-plan", 25.0, bound_ratio=0.9),
        row("agentlanes-match", 50.0, success=0.98),
    ]
    found = {target.aim: target.met for target in targets_of(rows, [], [])}
    assert found == {
        "bfcl: `agentlanes-plan` 2.2x faster than `create_agent-reason` at p50": True,
        "bfcl: `agentlanes-plan` at 0.85 of the lower bound": True,
        "bfcl: success of every agentlanes within a point of `create_agent-reason`": False,
        "bfcl: `create_agent-act` clearly below (5 points or more)": False,
    }


def test_scaling_and_overhead_targets():
    scaling = [
        {"figure": "length", "x": x, "contestant": "agentlanes-plan", "speedup_vs_reason": ratio}
        for x, ratio in ((5, 2.0), (10, 3.0), (20, 2.9))
    ]
    serial = row("agentlanes-serial", 100.0, figure="act_error", x=1.0, speedup_of_sums=1.0)
    worst = {"agentlanes-serial": 1.3}
    slow = row(
        "agentlanes-match", 103.0, figure="act_error", x=1.0, speedup_of_sums=1.0, worst_over=worst
    )
    overhead = [
        {"name": "StateGraph + ToolNode", "cpu_ms": 1.0},
        {"name": "create_agent, 2 middlewares", "cpu_ms": 1.5},
        {"name": "agentlanes plan", "cpu_ms": 1.4},
    ]
    found = [target.met for target in targets_of([], [*scaling, serial, slow], overhead)]
    assert found == [False, False, False, True]


def test_rows_without_a_bound_or_a_reference():
    done = [dataclasses.replace(one, bound_s=None) for one in run_jobs(SETUP, tasks=2)]
    rows = rows_of(done, {})
    assert [one["bound_ratio"] for one in rows] == [None, None]


def test_the_command_names_the_workloads_that_there_are():
    assert tuple(WORKLOADS) == command.WORKLOADS


def test_the_command_says_what_to_do_without_a_checkout(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    args = parser.parse_args(["--tasks", "1", "--strict", "--json", "out.json"])
    with pytest.raises(ConfigError, match="get the source"):
        command.command_for(args, tmp_path)
    (tmp_path / "benchmarks/peers").mkdir(parents=True)
    (tmp_path / "benchmarks/peers/__main__.py").touch()
    (tmp_path / ".venv-peers/bin").mkdir(parents=True)
    (tmp_path / ".venv-peers/bin/python").touch()
    told = command.command_for(args, tmp_path)
    assert told[1:3] == ["-m", "benchmarks.peers"]
    assert "--strict" in told
    assert told[told.index("--json") + 1] == str(Path("out.json").resolve())
    assert main(["bench", "peers", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: agentlanes bench peers")
