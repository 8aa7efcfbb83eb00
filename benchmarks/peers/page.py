"""`python -m benchmarks.peers.page`: write docs/benchmarks.md and its plots from the results."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.figures import REFERENCE
from benchmarks.peers.plots import plot_pareto, plot_scaling
from benchmarks.peers.targets import targets_of

__all__ = ["main"]

Row = Mapping[str, Any]

_HOME = Path(__file__).parents[2]
_RESULTS = _HOME / "bench" / "results"
_IMAGES = _HOME / "docs" / "images"
_OURS = "agentlanes-plan"
_AHEAD = {  # what a peer may be ahead in, less is better; how that is said
    "wall_p50_s": "is {ratio:.2f}x as fast at p50",
    "wall_p95_s": "is {ratio:.2f}x as fast at p95",
    "first_output_p50_s": "gives its first answer {ratio:.2f}x as fast",
    "cost_usd_per_task": "costs {ratio:.2f}x less",
    "reason_tokens": "uses {ratio:.2f}x fewer tokens of the reason lane",
    "kv_gb_s_per_task": "holds {ratio:.2f}x less KV cache",
}
_FIGURES = {
    "length": "How long a task is: errands of so many calls, a quarter of them writes of what was "
    "read, with tools that are declared `trusted`.",
    "length_untrusted": "The same where nobody has declared what the tools give as `trusted`: an "
    "approved plan may then not pass a read value on to a write, and each such write has a verdict "
    "of its own.",
    "depth": "How many unverified calls may be in flight; the default is 32.",
    "act_error": "How often the act lane is wrong at first.",
    "reason_s": "How slow the reason lane is: the median; p95 is 2.5 times that.",
    "at_once": "Runs at once over one agent, on one loop. Virtual time does not see what they "
    "compute, so this is the CPU time of a run on the machine below, scripted models included.",
}
_INTRO = """# Benchmarks

Written by `python -m benchmarks.peers.page` from `bench/results/`; the figures are not typed.

agentlanes beside what people would use instead: the same tasks, tools, latencies and errors, every
contestant task by task in one run. Times are those of a virtual clock (`clock` in the results):
exact, and independent of the machine. What it does not see, CPU time, is measured on its own below.

- Latencies are drawn from (seed, task, decision), so the same decision takes the same time for
  everybody: act lane first token 80 ms, 150 ms p95, 2 ms a token; reason lane 6 s median, 15 s
  p95, one reply in a hundred between 30 s and 2 min; tools 50 ms to 2 s. A verdict, a plan and a
  decision of the reason lane take equally long.
- The act lane errs at the stated share of its first tries, at the same calls for everybody. It
  does not err where it is told the exact call, and does not notice its own errors. Told only that
  its plan is wrong, it plans again with errors drawn anew. An argument that only an earlier call
  can give it gets wrong until it has been shown it. The reason lane is always right, so nobody's
  success is limited by it.
- One call a reply, except in `-parallel`, where the calls of a reply commute.
- `bound` is a lower bound over the actual time, summed over the tasks; the formula is in
  `benchmarks/peers/bound.py`. Contestants that never ask the reason lane can be above 1.
- Tokens are counted at four characters each; the reason lane thinks at 100 tokens a second.
- A contestant's rows depend on nobody else's: agents are new every ten tasks, on clocks of their
  own. When one library changes its rows are renewed with the reference beside them, which must
  come out the same.
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


def _said(rows: Sequence[Row]) -> str:
    """Say in what a peer with the same success is ahead of what we recommend."""
    by_name = {row["contestant"]: row for row in rows}
    mine, least = by_name.get(_OURS), by_name[REFERENCE]["success"] - 0.01
    if mine is None:
        return ""
    lines = []
    for name, row in by_name.items():
        if name.startswith("agentlanes") or row["success"] < least:
            continue
        ahead = [
            said.format(ratio=mine[what] / row[what])
            for what, said in _AHEAD.items()
            if 0 < row[what] < mine[what]
        ]
        if row["wasted_calls"] < mine["wasted_calls"]:
            ahead.append(f"wastes {row['wasted_calls']} calls, not {mine['wasted_calls']}")
        if ahead:
            lines.append(f"- `{name}` {', '.join(ahead)}.")
    if not lines:
        return f"No peer with the same success is ahead of `{_OURS}` in anything measured here."
    return "\n".join([f"Where a peer with the same success is ahead of `{_OURS}`:", "", *lines])


def _targets(rows: Sequence[Row], scaling: Sequence[Row], overhead: Sequence[Row]) -> str:
    lines = ["| target | measured | |", "|---|--:|---|"]
    for target in targets_of(rows, scaling, overhead):
        word = "met" if target.met else "**missed**"
        lines.append(f"| {target.aim} | {target.measured} | {word} |")
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


def _real(rows: Sequence[Row]) -> str:
    first = rows[0]
    lines = [
        f"`make bench-real`: the first {first['tasks']} tasks again with the scripted lanes in "
        "another process, over "
        f"sockets, {first['time_scale']:g} times faster than the profile ({first['machine']}). "
        "Times are given in the profile's seconds, so a millisecond of this machine's CPU counts "
        f"as {first['time_scale']:g} ms.",
        "",
        "| workload | contestant | success | p50, real | p50, virtual | faster than reason in sum, "
        "real | virtual | off |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        lines.append(
            f"| {row['workload']} | `{row['contestant']}` | {row['success']:.1%} "
            f"| {row['wall_p50_s']:.1f} s | {row['wall_p50_s_virtual']:.1f} s "
            f"| {row['speedup_of_sums']:.2f}x | {row['speedup_of_sums_virtual']:.2f}x "
            f"| {row['off']:+.1%} |"
        )
    return "\n".join(lines)


def _read(name: str) -> list[Row]:
    file = _RESULTS / f"{name}.json"
    rows: list[Row] = json.loads(file.read_text()) if file.exists() else []
    return rows


def _image(file: Path, text: str) -> str:
    return f"![{text}]({file.relative_to(_HOME / 'docs').as_posix()})\n"


def _scaling(rows: Sequence[Row]) -> list[str]:
    parts = ["## What changes with what\n", "`make bench-scaling`, virtual clock.\n"]
    for name, file in plot_scaling(rows, _IMAGES).items():
        mine = [row for row in rows if row["figure"] == name]
        many = f" Tasks a point: {mine[0]['tasks']}." if name != "at_once" else ""
        parts += [f"{_FIGURES[name]}{many}\n", _image(file, _FIGURES[name].partition(":")[0])]
        if name == "at_once":
            parts.append(_at_once(mine) + "\n")
    return parts


def _at_once(rows: Sequence[Row]) -> str:
    lines = [
        "| contestant | runs at once | right | p50, virtual | CPU a run | CPU a call "
        "| resident, all runs |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        lines.append(
            f"| `{row['contestant']}` | {row['x']} | {row['success']:.0%} "
            f"| {row['wall_p50_s']:.1f} s | {row['cpu_ms_per_run']:.0f} ms "
            f"| {row['cpu_ms_per_call']:.1f} ms | {row['peak_rss_mb']} MB |"
        )
    return "\n".join(lines)


def main() -> int:
    """Write the page and the plots."""
    rows, scaling, overhead, real = map(_read, ("latest", "scaling", "overhead", "real"))
    _IMAGES.mkdir(exist_ok=True)
    parts = [_INTRO, "## Targets\n", _targets(rows, scaling, overhead), ""]
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
    plot = _IMAGES / "benchmarks-pareto.svg"
    plot_pareto(rows, plot)
    parts += ["## Success, latency and cost\n", _image(plot, "p50 against success")]
    if scaling:
        parts += _scaling(scaling)
    if real:
        parts += ["## Over sockets\n", _real(real) + "\n"]
    if overhead:
        parts += ["## What the library costs\n", "`make bench` measures it after the workloads.\n",
                  _overhead(overhead) + "\n"]  # fmt: skip
    versions = ", ".join(f"{name} {number}" for name, number in rows[0]["versions"].items())
    parts.append(f"Made with {versions}, on {rows[0]['machine']}.")
    (_HOME / "docs" / "benchmarks.md").write_text("\n".join(parts) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
