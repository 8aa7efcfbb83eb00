"""`agentlanes bench bfcl`: BFCL's multi-turn tasks with run-ahead, and with every verdict awaited.

Each task is run in both ways, one after the other and in alternating order, in the same process
and at the same concurrency, so that both see the same machine. What is reported is how many
tasks came out right, and the sum of the same tasks' walls either way.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from agentlanes import __version__
from agentlanes.bench.bfcl_abilities import abilities
from agentlanes.bench.bfcl_calls import Catalog
from agentlanes.bench.bfcl_check import Checker
from agentlanes.bench.bfcl_data import REQUIREMENT, Task, fetch_wheel, load_tasks
from agentlanes.bench.bfcl_local import READ_AHEAD_S, read_ahead, setup_of
from agentlanes.bench.bfcl_options import BfclOptions, add_arguments, options_from
from agentlanes.bench.bfcl_run import PassName, TaskRun, pass_options, run_task
from agentlanes.bench.bfcl_tools import World
from agentlanes.config import Settings
from agentlanes.lanes.lane import Lane

__all__ = ["BfclOptions", "BfclResult", "add_arguments", "main", "run_bfcl"]

LanesOf = Callable[[Task], tuple[Lane, Lane]]


@dataclass(slots=True, kw_only=True)
class BfclResult:
    """What came out. All times are in seconds unless named otherwise.

    Attributes:
        tasks: Tasks that were run.
        correct: Of them, right with run-ahead: BFCL's checker passes, and the live APIs hold what
            the ground truth leaves behind.
        serial_correct: Right with every verdict awaited.
        wall_s: Sum of the tasks' walls with run-ahead.
        serial_wall_s: Sum of the same tasks' walls with every verdict awaited.
        speedup: `serial_wall_s / wall_s`.
        timed_tasks: Tasks in the sums: those that no pass had to give up.
        serial_plan: The pass in which verdicts are awaited, but a plan's covers its steps:
            `tasks`, `correct`, its `wall_s`, and the `lanes_wall_s` and `serial_wall_s` of the
            same tasks; `None` if it was left out.
        elapsed_s: The whole bench, everything included.
        options: What was asked for.
        counts: By pass: time spent (in tasks given up too), requests by lane, tokens, discarded
            steps, time saved and time wasted.
        abilities: By pass: how far the lanes got, right or not; see `abilities`.
        failures: Task, pass and reason of everything that was not right.
        versions: What it ran on.
    """

    tasks: int = 0
    correct: int = 0
    serial_correct: int = 0
    wall_s: float = 0.0
    serial_wall_s: float = 0.0
    speedup: float | None = None
    timed_tasks: int = 0
    serial_plan: dict[str, float] | None = None
    elapsed_s: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, dict[str, float]] = field(default_factory=dict)
    abilities: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: list[dict[str, str]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give one object: the options, and beside them the figures and the rest."""
        figures = asdict(self)
        return {**figures.pop("options"), **figures}


async def run_bfcl(
    options: BfclOptions,
    *,
    settings: Settings | None = None,
    on_task: Callable[[str], None] | None = None,
) -> BfclResult:
    """Run the bench.

    Args:
        options: What to run.
        settings: Where the cache is; the environment's by default.
        on_task: Called with a task's id when it has been run in every way.

    Raises:
        BenchDataError: The tasks cannot be had.
        ConfigError: The options contradict each other, or an extra is missing.
        EndpointUnreachable: A lane cannot be reached.
    """
    started = time.perf_counter()
    wheel = await asyncio.to_thread(fetch_wheel, settings)
    catalog = Catalog(wheel)
    tasks = load_tasks(wheel, options.tasks)
    runs: dict[str, dict[PassName, TaskRun]] = {}
    queue = iter(enumerate(tasks))

    async def work(lanes_of: LanesOf) -> None:
        for index, task in queue:
            setup = setup_of(options, catalog.tools(task.classes), lanes_of(task))
            if setup.judge is not None:
                tools = World(catalog, task).tools(describe=setup.describe)
                limit_s = READ_AHEAD_S
                await read_ahead(setup.lanes[0], setup.judge, tools, limit_s=limit_s)
            done: dict[PassName, TaskRun] = {}
            for name in options.passes(index):
                done[name] = await run_task(
                    catalog,
                    task,
                    setup.lanes,
                    {**setup.options, **pass_options(name, options.plans)},
                    tool_s=options.tool_ms / 1000,
                    turn_s=setup.turn_s,
                    describe=setup.describe,
                )
                if setup.judge is not None:
                    done[name].judged = setup.judge.take()
            runs[task.id] = done
            if on_task is not None:
                on_task(task.id)

    async with _lanes(options, wheel) as lanes_of:
        await _gather([work(lanes_of) for _ in range(min(options.in_flight, len(tasks)))])
    # Checked when all is timed: replaying is work that would show in other tasks' walls.
    result = _result(options, tasks, runs, catalog, Checker(wheel, catalog))
    result.elapsed_s = round(time.perf_counter() - started, 3)
    return result


async def _gather(workers: Sequence[Any]) -> None:
    """Run the workers; the first error ends them all and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(worker)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


@asynccontextmanager
async def _lanes(options: BfclOptions, wheel: Path) -> AsyncIterator[LanesOf]:
    if options.act_url is not None:
        pair = (
            Lane(options.act_model, base_url=options.act_url),
            Lane(options.reason_model, base_url=options.reason_url),
        )
        yield lambda task: pair
    elif options.lanes == "local":
        from agentlanes.local import local_lanes

        async with local_lanes(ctx=options.ctx) as both:
            yield lambda task: both
    else:
        from agentlanes.bench.bfcl_oracle import ACT_PREFIX, REASON_PREFIX
        from agentlanes.bench.bfcl_server import scripted_endpoint

        async with scripted_endpoint(
            wheel,
            act_error=options.act_error,
            seed=options.seed,
            act_s=options.act_ms / 1000,
            reason_s=options.reason_ms / 1000,
        ) as url:
            yield lambda task: (
                Lane(f"{ACT_PREFIX}{task.id}", base_url=url),
                Lane(f"{REASON_PREFIX}{task.id}", base_url=url),
            )


def _result(
    options: BfclOptions,
    tasks: Sequence[Task],
    runs: dict[str, dict[PassName, TaskRun]],
    catalog: Catalog,
    checker: Checker,
) -> BfclResult:
    asked = options.asked()
    result = BfclResult(tasks=len(tasks), options=asked, versions=_versions())
    correct: Counter[PassName] = Counter()
    timed: list[dict[PassName, TaskRun]] = []
    for task in tasks:
        done = runs[task.id]
        for name, run in done.items():
            finding = checker.check(task, run.committed, run.world)
            right = finding.correct and not run.error
            correct[name] += right
            if not right:
                why = run.error or finding.why
                result.failures.append({"task": task.id, "pass": name, "why": why})
        if not any(run.error for run in done.values()):
            timed.append(done)
    result.timed_tasks = len(timed)
    result.correct, result.serial_correct = correct["lanes"], correct["serial"]
    result.wall_s, result.serial_wall_s = _wall_s(timed, "lanes"), _wall_s(timed, "serial")
    if result.wall_s:
        result.speedup = round(result.serial_wall_s / result.wall_s, 3)
    for name in ("lanes", "serial", "serial_plan"):
        given = [done[name] for done in runs.values() if name in done]
        if given:
            result.counts[name] = _counts(given)
            pairs = [(task, runs[task.id][name]) for task in tasks if name in runs[task.id]]
            result.abilities[name] = abilities(catalog, pairs)
    if "serial_plan" in result.counts:
        sample = [done for done in timed if "serial_plan" in done]
        result.serial_plan = {
            "tasks": result.counts["serial_plan"]["tasks"],
            "correct": correct["serial_plan"],
            "wall_s": _wall_s(sample, "serial_plan"),
            "lanes_wall_s": _wall_s(sample, "lanes"),
            "serial_wall_s": _wall_s(sample, "serial"),
        }
    return result


def _wall_s(runs: Sequence[dict[PassName, TaskRun]], name: PassName) -> float:
    return round(sum(done[name].wall_s for done in runs), 3)


def _counts(runs: Sequence[TaskRun]) -> dict[str, float]:
    return {
        "tasks": len(runs),
        "spent_s": round(sum(run.wall_s for run in runs), 3),
        "act_requests": sum(run.lane_calls.get("act", 0) for run in runs),
        "reason_requests": sum(run.lane_calls.get("reason", 0) for run in runs),
        **{
            f"{kind}_tokens": sum(run.tokens.get(kind, 0) for run in runs)
            for kind in ("input", "cached", "output")
        },
        "committed_calls": sum(len(turn) for run in runs for turn in run.committed),
        "discarded_steps": sum(run.discarded for run in runs),
        "overlap_saved_ms": round(sum(run.overlap_saved_ms for run in runs), 1),
        "wasted_ms": round(sum(run.wasted_ms for run in runs), 1),
    }


def _versions() -> dict[str, str]:
    packages = {name: metadata.version(name) for name in ("langgraph", "langchain-core", "openai")}
    return {
        "agentlanes": __version__,
        "bfcl": REQUIREMENT,
        "python": platform.python_version(),
        **packages,
    }


def main(args: argparse.Namespace) -> int:
    """Run the bench from parsed arguments, and show how it goes.

    Returns:
        0, whatever the bench found.

    Raises:
        AgentLanesError: The bench could not be run; see `run_bfcl`.
        KeyboardInterrupt: Ctrl-C; nothing was written, and the lanes' process has ended.
    """
    from agentlanes.bench.bfcl_show import progress, show

    options = options_from(args)
    with progress(options) as on_task:
        result = asyncio.run(run_bfcl(options, on_task=on_task))
    show(options, result)
    if args.json_file is not None:
        args.json_file.write_text(json.dumps(result.to_json(), indent=1) + "\n")
    return 0
