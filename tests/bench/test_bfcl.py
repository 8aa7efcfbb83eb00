"""The bench itself: real lanes over sockets, a server process of its own, live APIs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Literal

import pytest

from agentlanes.bench.bfcl import BfclOptions, run_bfcl
from agentlanes.cli.main import main
from agentlanes.errors import ConfigError

_LONGEST_S = 60


def bench(*words: str) -> int:
    return main(["bench", "bfcl", *words])


@pytest.mark.parametrize("planning", ["always", "never"])
async def test_tasks_come_out_right_in_every_pass(
    wheel: Path, planning: Literal["always", "never"]
) -> None:
    done: list[str] = []
    options = BfclOptions(
        tasks=2, act_error=0.5, act_ms=1, reason_ms=20, planning=planning, serial_plan="all"
    )
    result = await run_bfcl(options, on_task=done.append)
    assert result.failures == []
    assert (result.tasks, result.correct, result.serial_correct) == (2, 2, 2)
    assert sorted(done) == [f"multi_turn_base_{n}" for n in range(2)]
    assert result.timed_tasks == 2
    assert result.speedup == pytest.approx(result.serial_wall_s / result.wall_s, abs=0.01)
    counts = result.counts
    assert {name: count["committed_calls"] for name, count in counts.items()} == dict.fromkeys(
        counts, counts["lanes"]["committed_calls"]
    )
    assert counts["lanes"]["discarded_steps"] > 0  # the errors were made, and caught
    if planning == "always":
        assert result.serial_plan is not None
        assert (result.serial_plan["tasks"], result.serial_plan["correct"]) == (2, 2)
        assert counts["lanes"]["reason_requests"] < counts["serial"]["reason_requests"]
    else:
        assert result.serial_plan is None


def test_the_command_prints_and_writes_its_figures(
    wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "result.json"
    words = [
        "--tasks",
        "1",
        "--act-ms",
        "1",
        "--reason-ms",
        "7",
        "--seed",
        "5",
        "--serial-plan",
        "all",
    ]
    assert bench(*words, "--json", str(file)) == 0
    said = capsys.readouterr().out
    assert "act 1 ms, reason 7 ms" in said
    assert "1 of 1" in said
    assert "without running ahead, gains" in " ".join(said.split())
    written = json.loads(file.read_text())
    assert written["tasks"] == written["correct"] == written["serial_correct"] == 1
    assert written["speedup"] == pytest.approx(
        written["serial_wall_s"] / written["wall_s"], abs=0.01
    )
    assert (written["seed"], written["reason_ms"], written["act_error"]) == (5, 7, 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tasks", "0"], "--tasks"),
        (["--act-error", "1.5"], "--act-error"),
        (["--reason-ms", "-1"], "--reason-ms"),
        (["--act-url", "http://127.0.0.1:1/v1"], "--reason-url"),
    ],
)
def test_options_that_make_no_sense_are_said_so(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert bench(*words) == 1
    assert said in capsys.readouterr().err


def test_an_unreachable_lane_ends_the_bench(
    wheel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = "http://127.0.0.1:1/v1"
    assert bench("--tasks", "2", "--act-url", nowhere, "--reason-url", nowhere) == 1
    assert "127.0.0.1:1" in capsys.readouterr().err


def test_every_way_comes_first_in_its_turn() -> None:
    options = BfclOptions(tasks=200)
    orders = [options.passes(index) for index in range(200)]
    assert sum("serial_plan" in order for order in orders) == 50
    assert sum(order[0] == "lanes" for order in orders if len(order) == 2) == 75
    firsts = [order[0] for order in orders if len(order) == 3]
    assert all(firsts.count(name) >= 16 for name in ("lanes", "serial", "serial_plan"))


def test_no_more_tasks_than_there_are() -> None:
    with pytest.raises(ConfigError, match="200"):
        BfclOptions(tasks=201)


@pytest.mark.skipif(sys.platform == "win32", reason="signals and /proc are used")
async def test_ctrl_c_leaves_nothing_behind(wheel: Path, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agentlanes.cli.main", "bench", "bfcl",
        "--tasks", "50", "--reason-ms", "2000", "--json", str(file),
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_LONGEST_S):
            while not (children := child_processes(running.pid)):  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.1)
            await asyncio.sleep(1)  # into the tasks, or still starting: both must be clean
            running.send_signal(signal.SIGINT)
            _, said = await running.communicate()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    assert running.returncode == 130, said.decode()
    assert b"interrupted" in said
    assert b"Traceback" not in said
    assert not file.exists()
    assert [pid for pid in children if alive(pid)] == []


def child_processes(pid: int) -> list[int]:
    try:
        return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
