"""`python -m benchmarks.peers.page`: write docs/benchmarks.md and its plot from the results."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]

_HOME = Path(__file__).parents[2]
_RESULTS = _HOME / "bench" / "results"
_REFERENCE = "create_agent-reason"
_TARGETS = (  # against whom, in which workload, at least how much faster at p50
    (_REFERENCE, "bfcl", 2.2),
    (_REFERENCE, "bfcl-joined", 4.0),
    ("plan-execute", "bfcl", 1.5),
    ("plan-execute", "bfcl-joined", 1.5),
    ("step-overlap", "bfcl", 1.5),
    ("step-overlap", "bfcl-joined", 1.5),
)
_BOUND = 0.85
_INTRO = """# Benchmarks

Written by `python -m benchmarks.peers.page` from `bench/results/`; the figures are not typed.

agentlanes beside what people would use instead: the same tasks, tools, latencies and errors, every
contestant task by task in one run. Times are those of a virtual clock (`clock` in the results):
exact, and independent of the machine.

- Latencies are drawn from (seed, task, decision), so the same decision takes the same time for
  everybody: act lane first token 80 ms, 150 ms p95, 2 ms a token; reason lane 6 s median, 15 s
  p95, one reply in a hundred between 30 s and 2 min; tools 50 ms to 2 s. A verdict, a plan and a
  decision of the reason lane take equally long.
- The act lane errs at the stated share of its first tries, at the same calls for everybody. It
  does not err where it is told the exact call, and does not notice its own errors. The reason
  lane is always right, so nobody's success is limited by it.
- One call a reply, except in `-parallel`, where the calls of a reply commute.
- `bound` is a lower bound over the actual time, summed over the tasks; the formula is in
  `benchmarks/peers/bound.py`. Contestants that never ask the reason lane can be above 1.
- Tokens are counted at four characters each; the reason lane thinks at 100 tokens a second.
"""


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| contestant | success | p50 | p95 | faster than reason (95%) | bound | wasted calls "
        "| reason tokens a task | $ a task |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        tokens = round(row["reason_tokens"] / row["tasks"])
        lines.append(
            f"| `{row['contestant']}` | {row['success']:.1%} | {row['wall_p50_s']:.1f} s "
            f"| {row['wall_p95_s']:.1f} s | {row['speedup_vs_reason']:.2f}x "
            f"({row['speedup_low']:.2f}-{row['speedup_high']:.2f}) | {row['bound_ratio']:.2f} "
            f"| {row['wasted_calls']} | {tokens:,} | {row['cost_usd_per_task']:.4f} |"
        )
    return "\n".join(lines)


def _said(rows: list[dict[str, Any]]) -> str:
    """Say where a peer is ahead: at equal success, faster or cheaper at p50."""
    by_name = {row["contestant"]: row for row in rows}
    ours = [row for name, row in by_name.items() if name.startswith("agentlanes")]
    best = min(ours, key=lambda row: row["wall_p50_s"])
    least = by_name[_REFERENCE]["success"] - 0.01
    lines = []
    for name, row in by_name.items():
        if name.startswith("agentlanes") or row["success"] < least:
            continue
        if row["wall_p50_s"] < best["wall_p50_s"]:
            ratio = best["wall_p50_s"] / row["wall_p50_s"]
            lines.append(f"- `{name}` is {ratio:.2f}x as fast as `{best['contestant']}` at p50.")
        if row["cost_usd_per_task"] < best["cost_usd_per_task"]:
            ratio = best["cost_usd_per_task"] / row["cost_usd_per_task"]
            lines.append(f"- `{name}` costs {ratio:.2f}x less than `{best['contestant']}`.")
    return "\n".join(["Where a peer with the same success is ahead:", "", *lines]) if lines else ""


def _targets(rows: list[dict[str, Any]]) -> str:
    found = {(row["workload"], row["contestant"]): row for row in rows}
    lines = ["| target for `agentlanes-plan` | measured | |", "|---|--:|---|"]
    for peer, workload, least in _TARGETS:
        mine, other = found.get((workload, "agentlanes-plan")), found.get((workload, peer))
        if mine and other:
            ratio = other["wall_p50_s"] / mine["wall_p50_s"]
            word = "met" if ratio >= least else "missed"
            lines.append(f"| {workload}: {least}x over `{peer}` | {ratio:.2f}x | {word} |")
    for (workload, name), row in found.items():
        if name == "agentlanes-plan":
            word = "met" if row["bound_ratio"] >= _BOUND else "missed"
            lines.append(
                f"| {workload}: {_BOUND} of the bound | {row['bound_ratio']:.2f} | {word} |"
            )
            gap = found[workload, _REFERENCE]["success"] - row["success"]
            word = "met" if gap <= 0.01 else "missed"
            lines.append(f"| {workload}: success within one point | {gap:+.1%} | {word} |")
    return "\n".join(lines)


def _overhead(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| a step with instant endpoints | CPU | of the bare loop | with a checkpointer "
        "| peak of a run | checkpoints written |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        lines.append(
            f"| {row['name']} | {row['cpu_ms']:.2f} ms | {row['cpu_ratio']:.2f}x "
            f"| {row['cpu_ratio_saved']:.2f}x | {row['peak_kb']:.0f} kB "
            f"| {row['all_checkpoints_kb']:.0f} kB |"
        )
    growth = [f"| {row['name']} | {row['growth_cpu_ms']} |" for row in rows if row["growth_cpu_ms"]]
    if growth:
        lines += ["", "| CPU ms a step, by the run's steps | |", "|---|---|", *growth]
    return "\n".join(lines)


def _pareto(rows: list[dict[str, Any]], file: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "agentlanes"
    from matplotlib import pyplot

    names = list(dict.fromkeys(row["workload"] for row in rows))
    figure, panels = pyplot.subplots(1, len(names), figsize=(5 * len(names), 4.4), squeeze=False)
    for panel, name in zip(panels[0], names, strict=True):
        for row in rows:
            if row["workload"] != name:
                continue
            ours = row["contestant"].startswith("agentlanes")
            spot = (row["wall_p50_s"], 100 * row["success"])
            area = 20 + 3000 * row["cost_usd_per_task"]
            panel.scatter(*spot, s=area, alpha=0.6, color="tab:blue" if ours else "tab:gray")
            panel.annotate(row["contestant"], spot, fontsize=6, rotation=40)
        panel.set(xscale="log", title=name, xlabel="p50, s (area: cost)", ylabel="success, %")
        panel.set_ylim(top=125)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})


def main() -> int:
    """Write the page and the plot."""
    rows = json.loads((_RESULTS / "latest.json").read_text())
    parts = [_INTRO, "## Targets\n", _targets(rows), ""]
    for workload in dict.fromkeys(row["workload"] for row in rows):
        mine = [row for row in rows if row["workload"] == workload]
        first = mine[0]
        parts += [
            f"## {workload}\n",
            f"{first['tasks']} tasks, act error {first['act_error']:.0%}, seed {first['seed']}, "
            f"{first['clock']} clock: `python -m benchmarks.peers --workload {workload} "
            f"--tasks {first['tasks']} --act-error {first['act_error']} --seed {first['seed']}`\n",
            _table(mine) + "\n",
            _said(mine) + "\n",
        ]
    plot = _HOME / "docs" / "images" / "benchmarks-pareto.svg"
    _pareto(rows, plot)
    parts += ["## Success, latency and cost\n", f"![p50 against success]"
              f"({plot.relative_to(_HOME / 'docs').as_posix()})\n"]  # fmt: skip
    file = _RESULTS / "overhead.json"
    if file.exists():
        parts += ["## What the library costs\n", "`python -m benchmarks.overhead`\n",
                  _overhead(json.loads(file.read_text())) + "\n"]  # fmt: skip
    versions = ", ".join(f"{name} {number}" for name, number in rows[0]["versions"].items())
    parts.append(f"Made with {versions}, on {rows[0]['machine']}.")
    (_HOME / "docs" / "benchmarks.md").write_text("\n".join(parts) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
