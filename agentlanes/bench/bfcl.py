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
from typing import Any, Literal

from agentlanes import __version__
from agentlanes.bench.bfcl_calls import Catalog
from agentlanes.bench.bfcl_check import Checker
from agentlanes.bench.bfcl_data import REQUIREMENT, Task, fetch_wheel, load_tasks
from agentlanes.bench.bfcl_run import PassName, TaskRun, pass_options, run_task
from agentlanes.config import Settings
from agentlanes.errors import ConfigError
from agentlanes.lanes.lane import Lane

__all__ = ["BfclOptions", "BfclResult", "add_arguments", "main", "run_bfcl"]

_SAMPLE_EVERY = 4

LanesOf = Callable[[Task], tuple[Lane, Lane]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BfclOptions:
    """What to run.

    Attributes:
        tasks: How many tasks, from the first of `multi_turn_base`, which has 200.
        lanes: `scripted` stand-ins that know the ground truth, or `local` models.
        act_error: Share of its calls that the scripted act lane gets wrong at first.
        seed: Seed of those errors.
        concurrency: Tasks in flight at a time; by default 6 for scripted lanes, and 1 for local
            models, which share the processor.
        act_ms: How long the scripted act lane takes for a reply.
        reason_ms: How long the scripted reason lane takes.
        tool_ms: How long a tool call takes; the simulated APIs themselves answer at once.
        planning: As for `build_agent`; the serial pass never plans.
        serial_plan: Whether also to run a serial pass in which a plan's verdict covers its steps,
            which shows what planning alone gains: in a `sample` of every fourth task, in `all`,
            or in `none`.
        act_url: Endpoint of the act lane, in place of embedded local models.
        reason_url: Endpoint of the reason lane.
        act_model: The act lane's model at `act_url`.
        reason_model: The reason lane's model at `reason_url`.
    """

    tasks: int = 20
    lanes: Literal["scripted", "local"] = "scripted"
    act_error: float = 0.0
    seed: int = 0
    concurrency: int | None = None
    act_ms: float = 20.0
    reason_ms: float = 200.0
    tool_ms: float = 0.0
    planning: Literal["auto", "always", "never"] = "always"
    serial_plan: Literal["sample", "all", "none"] = "sample"
    act_url: str | None = None
    reason_url: str | None = None
    act_model: str = "act"
    reason_model: str = "reason"

    def __post_init__(self) -> None:
        if self.tasks > 200:
            raise ConfigError("multi_turn_base has 200 tasks: --tasks goes up to 200")
        if self.tasks < 1 or self.in_flight < 1:
            raise ConfigError("--tasks and --concurrency start at 1")
        if not 0 <= self.act_error <= 1:
            raise ConfigError("--act-error is a share: from 0 to 1")
        if min(self.act_ms, self.reason_ms, self.tool_ms) < 0:
            raise ConfigError("--act-ms, --reason-ms and --tool-ms start at 0")
        if (self.act_url is None) != (self.reason_url is None):
            raise ConfigError("give both --act-url and --reason-url, or neither")

    @property
    def in_flight(self) -> int:
        """Tasks in flight at a time."""
        if self.concurrency is not None:
            return self.concurrency
        return 6 if self.lanes == "scripted" else 1

    def passes(self, index: int) -> tuple[PassName, ...]:
        """Give the passes that a task is run in, in the order in which it is.

        The order alternates: no way is always the one that finds the caches warm.

        Args:
            index: The task's place, from 0.
        """
        passes: tuple[PassName, ...] = ("lanes", "serial")
        chosen = self.serial_plan == "all" or (
            self.serial_plan == "sample" and index % _SAMPLE_EVERY == 0
        )
        if chosen and self.planning != "never":
            passes = ("lanes", "serial", "serial_plan")
        # By fours, so that the sampled tasks do not all begin with the same pass.
        turn = (index // _SAMPLE_EVERY + index) % len(passes)
        return passes[turn:] + passes[:turn]


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
        counts: By pass: requests by lane, discarded steps, time saved and time wasted.
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
            done: dict[PassName, TaskRun] = {}
            for name in options.passes(index):
                chosen = pass_options(name, options.planning)
                done[name] = await run_task(
                    catalog, task, lanes_of(task), chosen, tool_s=options.tool_ms / 1000
                )
            runs[task.id] = done
            if on_task is not None:
                on_task(task.id)

    async with _lanes(options, wheel) as lanes_of:
        await _gather([work(lanes_of) for _ in range(min(options.in_flight, len(tasks)))])
    # Checked when all is timed: replaying is work that would show in other tasks' walls.
    result = _result(options, tasks, runs, Checker(wheel, catalog))
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

        async with local_lanes() as both:
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
    checker: Checker,
) -> BfclResult:
    asked = {**asdict(options), "concurrency": options.in_flight}
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
        "act_requests": sum(run.lane_calls.get("act", 0) for run in runs),
        "reason_requests": sum(run.lane_calls.get("reason", 0) for run in runs),
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the bench's options to a parser."""
    base = BfclOptions()
    add = parser.add_argument
    add("--tasks", type=int, default=base.tasks, help="the first N of multi_turn_base (1 to 200)")
    add("--lanes", choices=["scripted", "local"], default=base.lanes, help="who answers")
    add("--act-error", type=float, default=base.act_error, metavar="SHARE",
        help="share of its calls that the scripted act lane gets wrong at first")  # fmt: skip
    add("--seed", type=int, default=base.seed, help="seed of those errors")
    add("--concurrency", type=int, help="tasks in flight at a time (scripted: 6, local: 1)")
    add("--act-ms", type=float, default=base.act_ms, help="latency of the scripted act lane")
    add("--reason-ms", type=float, default=base.reason_ms, help="and of the scripted reason lane")
    add("--tool-ms", type=float, default=base.tool_ms, help="how long a tool call takes")
    add("--planning", choices=["auto", "always", "never"], default=base.planning,
        help="whether turns begin with a plan that is validated once")  # fmt: skip
    add("--serial-plan", choices=["sample", "all", "none"], default=base.serial_plan,
        help="tasks also run serially with plans that are validated once")  # fmt: skip
    add("--act-url", help="endpoint of the act lane, with --lanes local")
    add("--act-model", default=base.act_model, help="its model")
    add("--reason-url", help="endpoint of the reason lane, with --lanes local")
    add("--reason-model", default=base.reason_model, help="its model")
    add("--json", type=Path, metavar="FILE", dest="json_file", help="write the result here")


def main(args: argparse.Namespace) -> int:
    """Run the bench from parsed arguments, and show how it goes.

    Returns:
        0, whatever the bench found.

    Raises:
        AgentLanesError: The bench could not be run; see `run_bfcl`.
        KeyboardInterrupt: Ctrl-C; nothing was written, and the lanes' process has ended.
    """
    from agentlanes.bench.bfcl_show import progress, show

    options = BfclOptions(
        tasks=args.tasks, lanes=args.lanes, act_error=args.act_error, seed=args.seed,
        concurrency=args.concurrency, act_ms=args.act_ms, reason_ms=args.reason_ms,
        tool_ms=args.tool_ms, planning=args.planning, serial_plan=args.serial_plan,
        act_url=args.act_url, act_model=args.act_model,
        reason_url=args.reason_url, reason_model=args.reason_model,
    )  # fmt: skip
    with progress(options) as on_task:
        result = asyncio.run(run_bfcl(options, on_task=on_task))
    show(options, result)
    if args.json_file is not None:
        args.json_file.write_text(json.dumps(result.to_json(), indent=1) + "\n")
    return 0
