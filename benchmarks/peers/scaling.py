"""`python -m benchmarks.peers.scaling`: how times change with one thing at a time.

Length of a task, depth of the run-ahead, error of the act lane, latency of the reason lane: all on
the virtual clock. Runs at once: on one virtual clock too, and since virtual time does not see what
a run computes, the CPU time of a run on this machine is given beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from agentlanes.testing import VirtualClock
from benchmarks.peers.__main__ import INTERRUPTED, write_json
from benchmarks.peers.figures import REFERENCE, rows_of
from benchmarks.peers.jobs import run_jobs
from benchmarks.peers.lengths import PREFIX, UNTRUSTED
from benchmarks.peers.outcome import Outcome
from benchmarks.peers.plots import by_workload
from benchmarks.peers.retrieval import retrieval
from benchmarks.peers.run import Player, Setup
from benchmarks.peers.show import common_fields, show_failures
from benchmarks.peers.stage import Profile, Stage

__all__ = ["FIGURES", "main"]

_LANES = (
    "agentlanes-serial",
    "agentlanes-plan-serial",
    "agentlanes-approve",
    "agentlanes-match",
    "agentlanes-plan",
)
_PEERS = (REFERENCE, "plan-execute-batch", "step-overlap", "dag-fast-join")
_LENGTHS = (5, 10, 20, 50, 100, 200)
_DEPTHS = (1, 2, 4, 8, 16, 32)
_DEEP = ("agentlanes-approve", "agentlanes-match", "agentlanes-plan")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """A place on a figure's axis.

    Attributes:
        figure: The figure.
        x: Where it is; `None` when each contestant's name says it.
        setup: What is run there.
    """

    figure: str
    x: float | None
    setup: Setup


def _length(base: Setup) -> list[_Point]:
    names = (*_PEERS, "agentlanes-serial", "agentlanes-approve", "agentlanes-plan")
    return _lengths("length", replace(base, contestants=names))


def _untrusted(base: Setup) -> list[_Point]:
    names = (REFERENCE, "dag-fast-join", "agentlanes-plan")
    return _lengths("length_untrusted", replace(base, contestants=names), UNTRUSTED)


def _lengths(figure: str, setup: Setup, suffix: str = "") -> list[_Point]:
    return [
        _Point(figure=figure, x=n, setup=replace(setup, workload=f"{PREFIX}{n}{suffix}"))
        for n in _LENGTHS
    ]


def _depth(base: Setup) -> list[_Point]:
    names = (REFERENCE, *(f"{name}:{depth}" for depth in _DEPTHS for name in _DEEP))
    return [
        _Point(figure="depth", x=None, setup=replace(base, workload=workload, contestants=names))
        for workload in ("bfcl-joined", "retrieval")
    ]


def _error(base: Setup) -> list[_Point]:
    names = (*_PEERS, "create_agent-act", *_LANES, "agentlanes-match:0")
    return [
        _Point(
            figure="act_error",
            x=error,
            setup=replace(base, workload=workload, contestants=names, act_error=error),
        )
        for workload in ("bfcl", "bfcl-joined")
        for error in (0.0, 0.05, 0.1, 0.3, 1.0)
    ]


def _latency(base: Setup) -> list[_Point]:
    names = (*_PEERS, *_LANES)
    return [
        _Point(
            figure="reason_s",
            x=seconds,
            setup=replace(
                base,
                workload="bfcl-joined",
                contestants=names,
                profile=Profile(reason_s=seconds, reason_p95_s=2.5 * seconds),
            ),
        )
        for seconds in (1, 3, 6, 15, 30)
    ]


FIGURES: dict[str, Callable[[Setup], list[_Point]]] = {
    "length": _length,
    "length_untrusted": _untrusted,
    "depth": _depth,
    "act_error": _error,
    "reason_s": _latency,
}
_AT_ONCE = (1, 10, 50, 100, 200, 500)


def _rows(point: _Point, tasks: int, jobs: int, console: Console) -> list[dict[str, Any]]:
    outcomes = run_jobs(point.setup, tasks=tasks, jobs=jobs)
    show_failures(console, outcomes)
    common = common_fields(
        workload=point.setup.workload,
        act_error=point.setup.act_error,
        seed=point.setup.seed,
        clock="virtual",
        time_scale=1.0,
    )
    rows = []
    for row in rows_of(outcomes, common):
        name, x = row["contestant"], point.x
        if x is None:
            name, _, depth = name.partition(":")
            x = int(depth or 0)
        worst = _worst_over(outcomes, row["contestant"])
        rows.append(
            {"figure": point.figure, "x": x, **row, "contestant": name, "worst_over": worst}
        )
    return rows


def _worst_over(outcomes: Sequence[Outcome], name: str) -> dict[str, float]:
    """Give the worst ratio of a task's walls to each serial contestant's."""
    walls = {(one.contestant, one.task): one.wall_s for one in outcomes}
    tasks = dict.fromkeys(one.task for one in outcomes)
    return {
        serial: round(max(walls[name, task] / walls[serial, task] for task in tasks), 4)
        for serial in ("agentlanes-serial", "agentlanes-plan-serial", "agentlanes-match:0")
        if (serial, outcomes[0].task) in walls
    }


def _at_once(base: Setup, console: Console) -> list[dict[str, Any]]:
    """Put many runs at once on one loop, over one agent, as a server has them."""
    rows = []
    items = retrieval(tasks=max(_AT_ONCE))
    for name in (REFERENCE, "agentlanes-approve", "agentlanes-plan"):
        for count in _AT_ONCE:
            stage = Stage(items, act_error=base.act_error, seed=base.seed)
            player = Player(name, stage)
            player.runner(items.items()[0], 0)  # building it is not a run's cost

            async def all_of(player: Player = player, count: int = count) -> list[Any]:
                return await asyncio.gather(
                    *(player.play(item, None) for item in items.items()[:count])
                )

            gc.collect()
            cpu, real = time.process_time(), time.perf_counter()
            outcomes = VirtualClock.run(all_of())
            cpu, real = time.process_time() - cpu, time.perf_counter() - real
            calls = sum(one.calls for one in outcomes)
            common = common_fields(
                workload="retrieval",
                act_error=base.act_error,
                seed=base.seed,
                clock="virtual",
                time_scale=1.0,
            )
            row = {
                "figure": "at_once",
                "x": count,
                **common,
                "contestant": name,
                "tasks": count,
                "success": round(sum(one.success for one in outcomes) / count, 4),
                "wall_p50_s": round(median(one.wall_s for one in outcomes), 3),
                "wasted_calls": sum(one.wasted_calls for one in outcomes),
                "cpu_ms_per_run": round(1000 * cpu / count, 2),
                "cpu_ms_per_call": round(1000 * cpu / calls, 2) if calls else None,
                "real_s": round(real, 2),
                "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
            rows.append(row)
            console.print(
                f"{name}, {count} at once: p50 {row['wall_p50_s']:.1f} s virtual, "
                f"{row['cpu_ms_per_run']} ms of CPU a run ({row['cpu_ms_per_call']} a call), "
                f"{row['success']:.0%} right",
                highlight=False,
            )
    return rows


def _show(console: Console, rows: Sequence[dict[str, Any]]) -> None:
    """Print a figure: a line each contestant, p50 in seconds (against reason-everywhere)."""
    marks = list(dict.fromkeys(row["x"] for row in rows if row["contestant"] != REFERENCE))
    for workload, mine in by_workload(rows):
        table = Table(title=f"{mine[0]['figure']}: {workload}, p50 in s", title_justify="left")
        table.add_column("contestant", no_wrap=True)
        for mark in marks:
            table.add_column(f"{mark:g}", justify="right", no_wrap=True)
        for name in dict.fromkeys(row["contestant"] for row in mine):
            own = [row for row in mine if row["contestant"] == name]
            by_x = {row["x"]: row for row in own}
            if len(own) == 1:  # nothing that is changed concerns it
                by_x = dict.fromkeys(marks, own[0])
            cells = [
                f"{by_x[mark]['wall_p50_s']:.1f} ({by_x[mark]['speedup_vs_reason']:.2f}x)"
                if mark in by_x
                else ""
                for mark in marks
            ]
            table.add_row(name, *cells)
        console.print(table)


def main(argv: list[str] | None = None) -> int:
    """Run, print and write the figures' rows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.scaling", description=__doc__)
    add = parser.add_argument
    add("--figures", default="all", help=f"with commas between: {', '.join([*FIGURES, 'at_once'])}")
    add("--tasks", type=int, default=20, help="tasks a point (20)")
    add("--seed", type=int, default=0)
    add("--act-error", type=float, default=0.1)
    add("--jobs", type=int, default=1, help="processes; the results are the same with any number")
    add("--json", type=Path, metavar="FILE", help="write the rows here")
    args = parser.parse_args(argv)
    chosen = [*FIGURES, "at_once"] if args.figures == "all" else args.figures.split(",")
    if unknown := set(chosen) - {*FIGURES, "at_once"}:
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    console = Console(width=140)
    base = Setup(workload="", contestants=(), act_error=args.act_error, seed=args.seed)
    rows: list[dict[str, Any]] = []
    try:
        for name in chosen:
            if name == "at_once":
                rows += _at_once(base, console)
                continue
            fresh = []
            for point in FIGURES[name](base):
                print(f"{name} {'' if point.x is None else point.x}", file=sys.stderr, flush=True)
                fresh += _rows(point, args.tasks, args.jobs, console)
            _show(console, fresh)
            rows += fresh
    except KeyboardInterrupt:
        sys.stderr.write("\nbenchmarks.peers.scaling: interrupted; nothing was written\n")
        return INTERRUPTED
    if args.json is not None:
        write_json(args.json, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
