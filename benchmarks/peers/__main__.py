"""`python -m benchmarks.peers --workload bfcl --tasks 40`: agentlanes beside its peers."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from agentlanes.bench.peers import add_arguments
from agentlanes.errors import AgentLanesError
from benchmarks.peers.contestants import CONTESTANTS
from benchmarks.peers.figures import REFERENCE, rows_of
from benchmarks.peers.jobs import run_jobs
from benchmarks.peers.journal import Journal, JournalMismatch
from benchmarks.peers.real import CONTESTANTS_REAL, against_virtual, run_lanes, run_sockets
from benchmarks.peers.run import Setup
from benchmarks.peers.show import common_fields, show_cpu, show_failures, show_rows
from benchmarks.peers.stage import Profile
from benchmarks.peers.workloads import WORKLOADS

__all__ = ["INTERRUPTED", "main", "write_json"]

INTERRUPTED = 130

Row = dict[str, Any]
Found = tuple[list[Row], int]
"""Rows, and how many tasks went wrong that should not have."""


def _parsed(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    add_arguments(parser)
    args = parser.parse_args(argv)
    names = list(CONTESTANTS) if _simulated(args) else list(CONTESTANTS_REAL)
    if args.contestants != "all":
        names = args.contestants.split(",")
    for name in names:
        if name.partition(":")[0] not in CONTESTANTS:
            parser.error(f"no such contestant: {name}; there are {', '.join(CONTESTANTS)}")
    if args.jobs < 1 or args.tasks < 1 or args.skip < 0:
        parser.error("--jobs and --tasks start at 1, --skip at 0")
    if not _simulated(args) and (args.resume or args.jobs > 1):
        parser.error("--resume and --jobs are for the virtual clock")
    if args.time_scale <= 0 or args.limit_s <= 0:
        parser.error("--time-scale and --limit-s are greater than 0")
    args.contestants = names if REFERENCE in names else [REFERENCE, *names]
    return args


def _simulated(args: argparse.Namespace) -> bool:
    return bool(args.clock == "virtual" and args.lanes == "scripted")


def _virtual(args: argparse.Namespace, console: Console) -> Found:
    rows, wrong = list[Row](), 0
    asked = {"act_error": args.act_error, "seed": args.seed, "clock": "virtual"}
    journal = Journal(
        args.resume, {**asked, "contestants": args.contestants, "profile": repr(Profile())}
    )
    for setup in _setups(args):
        workload = setup.workload
        try:
            outcomes = run_jobs(
                setup, tasks=args.tasks, skip=args.skip, jobs=args.jobs, journal=journal
            )
        except ModuleNotFoundError as missing:
            print(f"{workload} is left out: {missing.name} is not installed")
            continue
        fresh = rows_of(outcomes, common_fields(**asked, workload=workload, time_scale=1.0))
        show_rows(console, fresh)
        wrong += show_failures(console, outcomes)
        show_cpu(console, outcomes)
        rows += fresh
    return rows, wrong


def _setups(args: argparse.Namespace) -> list[Setup]:
    return [
        Setup(
            workload=workload,
            contestants=tuple(args.contestants),
            act_error=args.act_error,
            seed=args.seed,
        )
        for workload in (list(WORKLOADS) if args.workload == "all" else [args.workload])
    ]


def _sockets(args: argparse.Namespace, console: Console) -> Found:
    rows, wrong = list[Row](), 0
    for setup in _setups(args):
        asked = {"act_error": args.act_error, "seed": args.seed, "workload": setup.workload}
        twin = rows_of(
            run_jobs(setup, tasks=args.tasks, skip=args.skip),
            common_fields(**asked, clock="virtual", time_scale=1.0),
        )
        outcomes = asyncio.run(
            run_sockets(setup, tasks=args.tasks, skip=args.skip, scale=args.time_scale)
        )
        fresh = rows_of(outcomes, common_fields(**asked, clock="real", time_scale=args.time_scale))
        fresh = against_virtual(fresh, twin)
        show_rows(console, fresh)
        wrong += show_failures(console, outcomes)
        for row in fresh:
            console.print(
                f"{row['contestant']}: {row['speedup_of_sums']:.2f}x reason over sockets, "
                f"{row['speedup_of_sums_virtual']:.2f}x on the virtual clock: {row['off']:+.1%}",
                highlight=False,
            )
        rows += fresh
    return rows, wrong


def _models(args: argparse.Namespace, console: Console) -> Found:
    rows, wrong = list[Row](), 0
    for setup in _setups(args):
        outcomes = asyncio.run(
            run_lanes(
                setup, which=args.lanes, tasks=args.tasks, skip=args.skip, limit_s=args.limit_s
            )
        )
        fresh = rows_of(
            outcomes,
            common_fields(
                workload=setup.workload,
                act_error=None,
                seed=args.seed,
                clock="real",
                time_scale=1.0,
                lanes=args.lanes,
            ),
        )
        show_rows(console, fresh)
        wrong += show_failures(console, outcomes)
        rows += fresh
    return rows, wrong


def write_json(file: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows in one rename: a run that is stopped leaves the old file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(rows, indent=1) + "\n")
    fresh.replace(file)


def main(argv: list[str] | None = None) -> int:
    """Run, print, and write the rows.

    Returns:
        0 when it ran; 1 when something is missing or does not fit, and under `--strict` when a
        contestant that is corrected does a task wrong; 130 after Ctrl-C.
    """
    args = _parsed(argv)
    console = Console(width=140)
    console.print(f"latencies: {Profile()}")
    try:
        if args.lanes != "scripted":
            rows, wrong = _models(args, console)
        else:
            rows, wrong = (_virtual if args.clock == "virtual" else _sockets)(args, console)
    except (JournalMismatch, AgentLanesError) as problem:
        sys.stderr.write(f"benchmarks.peers: {problem}\n")
        return 1
    except KeyboardInterrupt:
        kept = f"what is done is in {args.resume}" if args.resume else "nothing was written"
        sys.stderr.write(f"\nbenchmarks.peers: interrupted; {kept}\n")
        return INTERRUPTED
    if args.json is not None:
        write_json(args.json, rows)
    return 1 if args.strict and (wrong or not rows) else 0


if __name__ == "__main__":
    sys.exit(main())
