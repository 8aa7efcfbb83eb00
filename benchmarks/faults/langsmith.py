"""Row 40 of the fault matrix: LangSmith refuses, or accepts and never answers.

Each case is a process of its own that runs agents on scripted lanes, the cheapest steps there are,
with `LANGSMITH_TRACING=true`. Measured are

- the CPU time of a step once the service was found down, against steps of the same process run
  with tracing switched off, in alternating blocks, so that other load on the machine hits both;
- what the process's largest size grew by, the time until the service was found down included;
- the time from the last statement of the program until the interpreter has waited for all threads
  and run what is registered for its end. (What it then takes down takes as long without tracing.)

    python -m benchmarks.faults.langsmith
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

__all__ = ["Measured", "measure", "row_40"]

Service = Literal["refused", "black hole"]
Maker = Literal["agentlanes", "langchain"]
Measured = dict[str, float]

MAX_CPU = 1.05
MAX_GROWTH_MIB = 64.0
MAX_EXIT_S = 5.0

_REPO = Path(__file__).parents[2]
_RUNS_BEFORE = 80  # a second of agents' work, all traced, into the arms of the dead service
_BLOCKS = 100  # short ones, and many: a machine has slow moments
_RUNS_A_BLOCK = 2
_FOUND_WITHIN_S = 30.0


def row_40() -> tuple[bool, str]:
    """Measure every case, and say whether all keep within the limits, and what was seen."""
    passed, seen = True, []
    cases: list[tuple[Service, Maker]] = [
        ("refused", "agentlanes"),
        ("black hole", "agentlanes"),
        ("black hole", "langchain"),
    ]
    for service, maker in cases:
        one = measure(service, maker)
        passed = (
            passed
            and one["traced_steps"] == 0
            and one["cpu_ratio"] <= MAX_CPU
            and one["growth_mib"] <= MAX_GROWTH_MIB
            and one["exit_s"] <= MAX_EXIT_S
        )
        seen.append(
            f"{service} ({maker}'s client): step CPU x{one['cpu_ratio']:.3f}, "
            f"memory +{one['growth_mib']:.0f} MiB, exit {one['exit_s']:.1f} s"
        )
    return passed, "; ".join(seen)


def measure(
    service: Service, maker: Maker, *, runs: int = _RUNS_BEFORE, blocks: int = _BLOCKS
) -> Measured:
    """Measure one case in a process of its own.

    Args:
        service: What LangSmith does.
        maker: Who makes the client: `langchain` makes it before there is an agent.
        runs: Agent runs before anything is known of the service.
        blocks: Pairs of blocks of agent runs for the CPU time.

    Returns:
        `cpu_ratio`, `cpu_ms` a step without tracing, `growth_mib`, `found_s` until the service was
        found down, `exit_s`, `lost_runs`, and `traced_steps`: how many steps were traced for
        nothing after it.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if service == "black hole":
            listener.listen(256)  # the kernel accepts, and nobody ever reads
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("LANGSMITH", "LANGCHAIN"))},
            "LANGSMITH_TRACING": "true",
            "LANGSMITH_API_KEY": "lsv2_pt_none",
            "LANGSMITH_ENDPOINT": f"http://127.0.0.1:{listener.getsockname()[1]}",
        }
        # Standard error goes to a file: a pipe would be held open, and fill.
        child = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, maker, str(runs), str(blocks)],
            cwd=_REPO,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert child.stdout is not None
        try:
            line, held = child.stdout.readline(), child.stdout.readline()
            child.wait(timeout=120)
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
    if not held:
        raise RuntimeError(f"the measured process ended with status {child.returncode}")
    return {**json.loads(line), "exit_s": float(held)}


def _child(maker: str, runs: int, blocks: int) -> None:
    ended: list[float] = []
    atexit.register(lambda: print(time.monotonic() - ended[0], flush=True))  # the last to run

    from agentlanes import build_agent
    from tests.oracle import Oracle, World

    if maker == "langchain":
        from langchain_core.tracers.langchain import LangChainTracer

        LangChainTracer()
    calls = [("look", {"key": "a"}), ("store", {"key": "x", "value": "1"}), ("look", {"key": "x"})]
    oracle = Oracle(calls)
    agent = build_agent(oracle.act, oracle.reason, World().tools(), planning="never")
    print(
        json.dumps(asyncio.run(_measure(agent, (oracle.act, oracle.reason), runs, blocks))),
        flush=True,
    )
    ended.append(time.monotonic())


async def _measure(agent: Any, lanes: Sequence[Any], runs: int, blocks: int) -> Measured:
    import langsmith.run_trees
    from langsmith import tracing_context

    from agentlanes.latency.guard import guard

    async def run(runs: int) -> int:
        steps = 0
        for _ in range(runs):
            steps += len((await agent.ainvoke({"messages": [("user", "do it")]}))["steps"])
            for lane in lanes:
                lane.calls.clear()  # kept for tests to look at
        return steps

    async def step_ms() -> tuple[float, int]:
        begun = time.process_time()
        steps = await run(_RUNS_A_BLOCK)
        return (time.process_time() - begun) / steps * 1000, steps

    with tracing_context(enabled=False):
        await run(_RUNS_A_BLOCK)  # what is loaded and cached at first
    size, begun = _largest_mib(), time.monotonic()
    await run(runs)
    client = langsmith.run_trees._CLIENT
    assert client is not None
    kept = guard(client)
    while not kept.paused and time.monotonic() < begun + _FOUND_WITHIN_S:
        await run(1)
    found_s, growth = time.monotonic() - begun, _largest_mib() - size
    ratios, bare, traced_steps = [], [], 0
    for block in range(blocks):
        took_ms = {}
        for traced in (True, False) if block % 2 else (False, True):
            untraced = kept.untraced_steps
            with contextlib.nullcontext() if traced else tracing_context(enabled=False):
                took_ms[traced], steps = await step_ms()
            if traced:
                traced_steps += steps - (kept.untraced_steps - untraced)
        bare.append(took_ms[False])
        ratios.append(took_ms[True] / took_ms[False])
    return {
        "cpu_ratio": statistics.median(ratios),
        "cpu_ms": statistics.median(bare),
        "growth_mib": max(growth, _largest_mib() - size),
        "found_s": found_s,
        "lost_runs": kept.lost_runs,
        "traced_steps": traced_steps,
    }


def _largest_mib() -> float:
    # getrusage's figure begins with the size of whoever started this process
    status = Path("/proc/self/status")
    if status.exists():
        line = next(ln for ln in status.read_text().splitlines() if ln.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _child(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    else:
        held, what = row_40()
        print(f"row 40: {'passed' if held else 'FAILED'}: {what}")
        sys.exit(not held)
