"""What the benchmark prints."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.peers.outcome import Outcome

__all__ = ["common_fields", "show_cpu", "show_failures", "show_rows"]

_PACKAGES = ("agentlanes", "langgraph", "langchain", "langchain-core")
_MAY_FAIL = ("create_agent-act", "create_agent-routed", "dag-act")
"""Contestants that nobody corrects; what they get wrong is in the success column."""


def common_fields(**asked: Any) -> dict[str, Any]:
    """Give what all rows of a run say: what was asked, on what machine, with which versions."""
    return {
        "workload": "",
        "contestant": "",
        **asked,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in _PACKAGES},
        },
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def show_rows(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a workload's rows as a table."""
    first = rows[0]
    table = Table(
        title=f"{first['workload']}: {first['tasks']} tasks, {_said(first)}, "
        f"seed {first['seed']}, {first['clock']} clock, time scale {first['time_scale']:g}",
        title_justify="left",
    )
    for column in (
        "contestant", "success", "p50", "p95", "vs reason", "95%", "bound", "wasted calls",
        "reason tokens", "$ a task",
    ):  # fmt: skip
        table.add_column(
            column, justify="left" if column == "contestant" else "right", no_wrap=True
        )
    for row in rows:
        bound = row["bound_ratio"]
        table.add_row(
            row["contestant"],
            f"{row['success']:.1%}",
            f"{row['wall_p50_s']:.1f} s",
            f"{row['wall_p95_s']:.1f} s",
            f"{row['speedup_vs_reason']:.2f}x",
            f"{row['speedup_low']:.2f}-{row['speedup_high']:.2f}",
            "-" if bound is None else f"{bound:.2f}",
            str(row["wasted_calls"]),
            f"{row['reason_tokens']:,}",
            f"{row['cost_usd_per_task']:.4f}",
        )
    console.print(table)


def _said(row: Mapping[str, Any]) -> str:
    if row["act_error"] is None:
        return f"{row['lanes']} lanes"
    return f"act error {row['act_error']:.0%}"


def show_failures(console: Console, outcomes: Sequence[Outcome]) -> int:
    """Name every task that a contestant did not do right though it is corrected; count them."""
    wrong = [
        one for one in outcomes if not one.success and not one.contestant.startswith(_MAY_FAIL)
    ]
    for one in wrong:
        console.print(f"not right: {one.task} ({one.contestant}): {one.why}", markup=False)
    return len(wrong)


def show_cpu(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Print what a task cost in CPU time, for each contestant."""
    spent: dict[str, list[float]] = {}
    for one in outcomes:
        spent.setdefault(one.contestant, []).append(one.cpu_s)
    told = ", ".join(f"{name} {sum(all_of) / len(all_of):.3f}" for name, all_of in spent.items())
    total = sum(one.cpu_s for one in outcomes)
    console.print(
        f"CPU seconds a task, scripted models and checks included: {told}; {total:.0f} s in all",
        highlight=False,
    )
