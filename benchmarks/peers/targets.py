"""What was aimed at, and what was measured."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.figures import REFERENCE

__all__ = ["Target", "targets_of"]

Row = Mapping[str, Any]

_OURS = "agentlanes-plan"
_SPEED = (  # workload, against whom, at least how much faster at p50
    ("bfcl", REFERENCE, 2.2),
    ("bfcl-joined", REFERENCE, 4.0),
    ("bfcl", "plan-execute", 1.5),
    ("bfcl-joined", "plan-execute", 1.5),
    ("bfcl", "step-overlap", 1.5),
    ("bfcl-joined", "step-overlap", 1.5),
)
_BOUND = 0.85
_POINT, _CLEARLY = 0.01, 0.05
_SERIAL = (  # who must not be slower than whom when every first try is wrong
    ("agentlanes-approve", "agentlanes-serial"),
    ("agentlanes-match", "agentlanes-serial"),
    ("agentlanes-match", "agentlanes-match:0"),  # `match` with nothing running ahead
    ("agentlanes-plan", "agentlanes-serial"),
    ("agentlanes-plan", "agentlanes-plan-serial"),
)
_SLOWER = 1.02
_BARE, _MIDDLEWARES = "StateGraph + ToolNode", "create_agent, 2 middlewares"
_OVERHEAD = 1.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One target.

    Attributes:
        aim: What is aimed at.
        measured: What was measured, in words.
        met: Whether that is enough.
    """

    aim: str
    measured: str
    met: bool


def targets_of(
    rows: Sequence[Row], scaling: Sequence[Row], overhead: Sequence[Row]
) -> list[Target]:
    """Hold the results against every target; what was not measured is left out.

    Args:
        rows: `bench/results/latest.json`.
        scaling: `bench/results/scaling.json`.
        overhead: `bench/results/overhead.json`.
    """
    return [
        *_speed(rows),
        *_growth(scaling),
        *_bound(rows),
        *_success(rows),
        *_never_slower(scaling),
        *_overheads(overhead),
    ]


def _speed(rows: Sequence[Row]) -> Iterator[Target]:
    found = {(row["workload"], row["contestant"]): row for row in rows}
    for workload, peer, least in _SPEED:
        mine, other = found.get((workload, _OURS)), found.get((workload, peer))
        if mine and other:
            ratio = other["wall_p50_s"] / mine["wall_p50_s"]
            yield Target(
                aim=f"{workload}: `{_OURS}` {least}x faster than `{peer}` at p50",
                measured=f"{ratio:.2f}x",
                met=ratio >= least,
            )


def _growth(scaling: Sequence[Row]) -> Iterator[Target]:
    by_x = {
        row["x"]: row["speedup_vs_reason"]
        for row in scaling
        if row["figure"] == "length" and row["contestant"] == _OURS
    }
    if len(by_x) < 2:
        return
    ordered = [by_x[x] for x in sorted(by_x)]
    told = ", ".join(f"{by_x[x]:.1f}x at {x:g} calls" for x in sorted(by_x))
    growing = all(later > earlier for earlier, later in itertools.pairwise(ordered))
    yield Target(
        aim=f"`{_OURS}` over `{REFERENCE}` grows with a task's length", measured=told, met=growing
    )


def _bound(rows: Sequence[Row]) -> Iterator[Target]:
    for row in rows:
        if row["contestant"] == _OURS and row["bound_ratio"] is not None:
            yield Target(
                aim=f"{row['workload']}: `{_OURS}` at {_BOUND} of the lower bound",
                measured=f"{row['bound_ratio']:.2f}",
                met=row["bound_ratio"] >= _BOUND,
            )


def _success(rows: Sequence[Row]) -> Iterator[Target]:
    found = {(row["workload"], row["contestant"]): row for row in rows}
    for workload in dict.fromkeys(row["workload"] for row in rows):
        reason = found[workload, REFERENCE]["success"]
        ours = {
            name: row["success"]
            for (of, name), row in found.items()
            if of == workload and name.startswith("agentlanes")
        }
        if ours:
            worst = min(ours, key=lambda name: ours[name])
            gap = ours[worst] - reason
            yield Target(
                aim=f"{workload}: success of every agentlanes within a point of `{REFERENCE}`",
                measured=f"{100 * gap:+.1f} points at worst (`{worst}`)",
                met=gap >= -_POINT,
            )
        act = found.get((workload, "create_agent-act"))
        if act:
            gap = act["success"] - reason
            yield Target(
                aim=f"{workload}: `create_agent-act` clearly below (5 points or more)",
                measured=f"{100 * gap:+.1f} points",
                met=gap <= -_CLEARLY,
            )


def _never_slower(scaling: Sequence[Row]) -> Iterator[Target]:
    found = {
        (row["workload"], row["contestant"]): row
        for row in scaling
        if row["figure"] == "act_error" and row["x"] == 1.0
    }
    for workload in dict.fromkeys(workload for workload, _ in found):
        for name, serial in _SERIAL:
            mine, base = found.get((workload, name)), found.get((workload, serial))
            if not mine or not base:
                continue
            sums = base["speedup_of_sums"] / mine["speedup_of_sums"]
            p50 = mine["wall_p50_s"] / base["wall_p50_s"]
            worst = mine["worst_over"][serial]
            yield Target(
                aim=f"{workload}, act error 100%: `{name}` at most {_SLOWER}x of `{serial}`",
                measured=f"{p50:.3f}x at p50, {sums:.3f}x in sum, {worst:.2f}x in the worst task",
                met=max(p50, sums) <= _SLOWER,
            )


def _overheads(overhead: Sequence[Row]) -> Iterator[Target]:
    found = {row["name"]: row for row in overhead}
    bare, middlewares = found.get(_BARE), found.get(_MIDDLEWARES)
    for name, row in found.items():
        if not name.startswith("agentlanes") or bare is None:
            continue
        ratio = row["cpu_ms"] / bare["cpu_ms"]
        yield Target(
            aim=f"a step of {name}: at most {_OVERHEAD}x of the bare loop's CPU",
            measured=f"{ratio:.2f}x",
            met=ratio <= _OVERHEAD,
        )
        if middlewares is not None:
            ratio = row["cpu_ms"] / middlewares["cpu_ms"]
            yield Target(
                aim=f"a step of {name}: below {_MIDDLEWARES}",
                measured=f"{ratio:.2f}x of it",
                met=ratio < 1,
            )
