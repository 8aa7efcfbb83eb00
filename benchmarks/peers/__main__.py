"""`python -m benchmarks.peers --workload bfcl --tasks 40`: agentlanes beside its peers."""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.peers.contestants import CONTESTANTS
from benchmarks.peers.figures import REFERENCE, rows_of
from benchmarks.peers.formal import formal_verification
from benchmarks.peers.items import BfclItems, Items
from benchmarks.peers.planning import plan_validation
from benchmarks.peers.retrieval import retrieval
from benchmarks.peers.run import Outcome, run_all
from benchmarks.peers.stage import Profile

__all__ = ["WORKLOADS", "main"]

WORKLOADS: Mapping[str, Callable[[], Items]] = {
    "bfcl": lambda: BfclItems(joined=False),
    "bfcl-joined": lambda: BfclItems(joined=True),
    "retrieval": retrieval,
    "plan-validation": plan_validation,
    "formal-verification": formal_verification,
}
_EVERY = 5


def _machine() -> str:
    import os

    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def _common(args: argparse.Namespace, workload: str) -> dict[str, Any]:
    packages = ("agentlanes", "langgraph", "langchain", "langchain-core")
    return {
        "workload": workload,
        "contestant": "",
        "act_error": args.act_error,
        "seed": args.seed,
        "clock": "virtual",
        "time_scale": 1.0,
        "machine": _machine(),
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in packages},
        },
    }


def _show(console: Console, rows: list[dict[str, Any]]) -> None:
    first = rows[0]
    table = Table(
        title=f"{first['workload']}: {first['tasks']} tasks, act error {first['act_error']:.0%}, "
        f"seed {first['seed']}, {first['clock']} clock",
        title_justify="left",
    )
    for column in (
        "contestant", "success", "p50", "p95", "vs reason", "95%", "bound", "wasted calls",
        "reason tokens", "$ a task",
    ):  # fmt: skip
        table.add_column(column, justify="left" if column == "contestant" else "right")
    for row in rows:
        table.add_row(
            row["contestant"],
            f"{row['success']:.1%}",
            f"{row['wall_p50_s']:.1f} s",
            f"{row['wall_p95_s']:.1f} s",
            f"{row.get('speedup_vs_reason', 0):.2f}x",
            f"{row.get('speedup_low', 0):.2f}-{row.get('speedup_high', 0):.2f}",
            f"{row['bound_ratio']:.2f}",
            str(row["wasted_calls"]),
            f"{row['reason_tokens']:,}",
            f"{row['cost_usd_per_task']:.4f}",
        )
    console.print(table)


def _play(args: argparse.Namespace, workload: str, names: list[str]) -> list[Outcome]:
    """Run a workload, or read what another run of it has kept so far."""
    kept: list[Outcome] = []
    file = args.outcomes and args.outcomes.with_suffix(f".{workload}.json")
    if args.read:
        return [Outcome(**one) for one in json.loads(file.read_text())]
    began = time.monotonic()

    def told(fresh: list[Outcome]) -> None:
        kept.extend(fresh)
        done = len(kept) // len(names)
        if done % _EVERY and done != args.tasks:
            return
        print(f"{done} tasks, {time.monotonic() - began:.0f} s", flush=True)
        if file is not None:
            fresh_file = file.with_suffix(".new")
            fresh_file.write_text(json.dumps([dataclasses.asdict(one) for one in kept]))
            fresh_file.replace(file)

    return run_all(
        WORKLOADS[workload](),
        names,
        tasks=args.tasks,
        skip=args.skip,
        act_error=args.act_error,
        seed=args.seed,
        on_task=told,
    )


def main() -> int:
    """Run, print, and write the rows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--workload", choices=[*WORKLOADS, "all"], default="all")
    parser.add_argument("--tasks", type=int, default=40)
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--act-error", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--contestants", default="all", help="names with commas between")
    parser.add_argument("--json", type=Path, default=None, help="write the rows here")
    parser.add_argument("--outcomes", type=Path, default=None, help="write every outcome here")
    parser.add_argument("--read", action="store_true", help="read --outcomes instead of running")
    args = parser.parse_args()
    names = list(CONTESTANTS) if args.contestants == "all" else args.contestants.split(",")
    unknown = set(names) - CONTESTANTS.keys()
    if unknown:
        parser.error(
            f"no such contestant: {', '.join(unknown)}; there are {', '.join(CONTESTANTS)}"
        )
    if REFERENCE not in names:
        names.insert(0, REFERENCE)
    console = Console(width=130)
    console.print(f"latencies: {Profile()}")
    rows: list[dict[str, Any]] = []
    for workload in WORKLOADS if args.workload == "all" else (args.workload,):
        try:
            outcomes = _play(args, workload, names)
        except ModuleNotFoundError as missing:
            print(f"{workload} is left out: {missing.name} is not installed")
            continue
        fresh = rows_of(outcomes, _common(args, workload))
        if args.read:
            names = list(dict.fromkeys([*names, *(row["contestant"] for row in fresh)]))
        fresh.sort(key=lambda row: names.index(row["contestant"]))
        _show(console, fresh)
        for one in outcomes:
            if not one.success and not one.contestant.startswith(
                ("create_agent-act", "create_agent-routed", "dag-act")
            ):
                console.print(f"not right: {one.task} ({one.contestant}): {one.why}", markup=False)
        rows += fresh
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
