"""Plan validation: schedules that are built with calls and validated by code.

Jobs with durations and predecessors go onto machines. The calls place them one by one. The
validator accepts any schedule in which every job is placed once, no machine does two jobs at a
time, no job begins before its predecessors have ended, and the last ends by the deadline.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from functools import partial
from typing import Any

from agentlanes.bench.bfcl_calls import Call
from benchmarks.peers.made import Made, MadeItems, spec

__all__ = ["plan_validation", "schedule_fault"]

_MACHINES = 2


def _make(draw: random.Random) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = []
    for n in range(draw.randint(4, 10)):
        after = sorted(draw.sample(range(n), min(n, draw.randint(0, 2))))
        jobs.append({"job": n, "takes": draw.randint(1, 9), "after": after})
    return jobs


def _schedule(jobs: Sequence[dict[str, Any]]) -> tuple[list[Call], int]:
    free, ends, calls = [0] * _MACHINES, dict[int, int](), []
    for job in jobs:
        ready = max([0, *(ends[n] for n in job["after"])])
        machine = min(range(_MACHINES), key=lambda m: (max(free[m], ready), m))
        start = max(free[machine], ready)
        free[machine] = ends[job["job"]] = start + job["takes"]
        calls.append(Call("place", {"job": job["job"], "machine": machine, "start": start}))
    return calls, max(free)


def schedule_fault(
    jobs: Sequence[dict[str, Any]], deadline: int, placed: Sequence[tuple[int, int, int]]
) -> str:
    """Say what is wrong with a schedule, or give an empty text.

    Args:
        jobs: Each with its number `job`, what it `takes`, and the jobs it comes `after`.
        deadline: When all has to be done.
        placed: Job, machine and start of everything that was placed.
    """
    if sorted(job for job, _, _ in placed) != sorted(job["job"] for job in jobs):
        return "not every job is placed exactly once"
    takes = {job["job"]: job["takes"] for job in jobs}
    starts = {job: start for job, _, start in placed}
    for job in jobs:
        for earlier in job["after"]:
            if starts[job["job"]] < starts[earlier] + takes[earlier]:
                return f"job {job['job']} begins before job {earlier} has ended"
    for machine in {machine for _, machine, _ in placed}:
        row = sorted((s, s + takes[job]) for job, m, s in placed if m == machine)
        for (_, end), (start, _) in itertools.pairwise(row):
            if start < end:
                return f"machine {machine} does two jobs at {start}"
    late = [job for job, start in starts.items() if start < 0 or start + takes[job] > deadline]
    return f"jobs {late} end after the deadline" if late else ""


def _place(state: Any, job: int, machine: int, start: int) -> Any:
    state.append((job, machine, start))
    return {"placed": job}


def _altered(call: Call, draw: random.Random) -> Call:
    name = draw.choice(["start", "machine"])
    value = call.args[name]
    other = value + draw.choice([-1, 1]) if name == "start" else 1 - value
    return Call(call.tool, {**call.args, name: other})


def _fault(jobs: Any, deadline: int, state: Any, calls: Sequence[Call]) -> str:
    return schedule_fault(jobs, deadline, state)


def plan_validation(tasks: int = 100) -> MadeItems:
    """Generate the workload."""
    draw, made = random.Random(13), []
    for _ in range(tasks):
        jobs = _make(draw)
        calls, deadline = _schedule(jobs)
        text = f"Schedule on {_MACHINES} machines, done by {deadline}: {jobs}"
        made.append(
            Made(
                text=text,
                calls=tuple(calls),
                state=list,
                right=partial(_fault, jobs, deadline),
            )
        )
    properties = {"job": "integer", "machine": "integer", "start": "integer"}
    return MadeItems(
        "plan-validation",
        {"place": _place},
        {"place": spec("place", "Put a job onto a machine.", properties, "write", trusted=True)},
        made,
        _altered,
    )
