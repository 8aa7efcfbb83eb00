"""The plots of docs/benchmarks.md, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["by_workload", "plot_pareto", "plot_scaling"]

Row = Mapping[str, Any]

_AXES = {  # figure: what x is, whether it is on a log scale
    "length": ("calls of a task", True),
    "length_untrusted": ("calls of a task", True),
    "depth": ("unverified calls in flight", True),
    "act_error": ("act lane's first tries that are wrong", False),
    "reason_s": ("median of a reply of the reason lane, s", False),
    "at_once": ("runs at once", True),
}


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "agentlanes"  # the same rows give the same file
    from matplotlib import pyplot

    return pyplot


def plot_pareto(rows: Sequence[Row], file: Path) -> None:
    """Draw success against latency, with cost as area, a panel a workload and a colour each."""
    pyplot = _pyplot()
    names = list(dict.fromkeys(row["workload"] for row in rows))
    deep = -(-(len(names) + 1) // 2)  # two beside each other; what is left over is for the legend
    figure, grid = pyplot.subplots(deep, 2, figsize=(10, 3.6 * deep), squeeze=False)
    colours = {
        name: pyplot.cm.tab20(number % 20)
        for number, name in enumerate(dict.fromkeys(row["contestant"] for row in rows))
    }
    colours["agentlanes-plan"] = "black"
    panels = [panel for line in grid for panel in line]
    for panel, name in zip(panels, names, strict=False):
        # The costly ones first, for the others to lie on them.
        mine = [row for row in rows if row["workload"] == name]
        for row in sorted(mine, key=lambda row: -row["cost_usd_per_task"]):
            ours = row["contestant"].startswith("agentlanes")
            panel.scatter(
                row["wall_p50_s"],
                100 * row["success"],
                s=30 + 3000 * row["cost_usd_per_task"],
                color=colours[row["contestant"]],
                edgecolors="black" if ours else "none",
                marker="o" if ours else "s",
                alpha=0.8,
            )
        panel.set(xscale="log", title=name, xlabel="p50, s (area: cost)", ylabel="success, %")
        panel.set_ylim(top=108)
    for panel in panels[len(names) :]:
        panel.axis("off")
    for name, colour in colours.items():
        marker = "o" if name.startswith("agentlanes") else "s"
        panels[-1].scatter([], [], s=40, color=colour, marker=marker, label=name)
    panels[-1].legend(ncols=2, fontsize=8, loc="center", frameon=False)
    _save(pyplot, figure, file)


def plot_scaling(rows: Sequence[Row], folder: Path) -> dict[str, Path]:
    """Draw a picture for each figure, a panel a workload; give the files by figure."""
    pyplot = _pyplot()
    files: dict[str, Path] = {}
    for name in dict.fromkeys(row["figure"] for row in rows):
        mine = [row for row in rows if row["figure"] == name]
        panels = by_workload(mine)
        figure, axes = pyplot.subplots(
            1, len(panels), figsize=(5.4 * len(panels), 4.2), squeeze=False
        )
        for axis, (title, drawn) in zip(axes[0], panels, strict=True):
            _lines(axis, name, drawn)
            axis.set_title(title, fontsize=9)
        axes[0][-1].legend(fontsize=6, loc="upper left", bbox_to_anchor=(1.01, 1.0))
        files[name] = folder / f"benchmarks-{name.replace('_', '-')}.svg"
        _save(pyplot, figure, files[name])
    return files


def by_workload(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Part a figure's rows into its panels: by workload, tasks of any length being one."""
    panels: dict[str, list[Row]] = {}
    for row in rows:
        name = "errands" if row["figure"].startswith("length") else row["workload"]
        panels.setdefault(name, []).append(row)
    return list(panels.items())


def _lines(axis: Any, name: str, rows: Sequence[Row]) -> None:
    label, log = _AXES[name]
    what = "cpu_ms_per_run" if name == "at_once" else "wall_p50_s"
    for contestant in dict.fromkeys(row["contestant"] for row in rows):
        mine = [row for row in rows if row["contestant"] == contestant]
        if name == "depth" and len(mine) == 1:
            axis.axhline(mine[0][what], color="gray", lw=1, ls=":", label=contestant)
            continue
        ours = contestant.startswith("agentlanes")
        axis.plot(
            [row["x"] for row in mine],
            [row[what] for row in mine],
            marker="o",
            ms=3,
            lw=1.6 if ours else 1.0,
            ls="-" if ours else "--",
            label=contestant,
        )
    axis.set_xlabel(label, fontsize=8)
    axis.set_ylabel("CPU ms a run" if name == "at_once" else "p50, s", fontsize=8)
    if log:
        axis.set_xscale("log", base=2)
        ticks = sorted({row["x"] for row in rows if row["x"]})
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    if name != "at_once":
        axis.set_yscale("log")
        for part in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
            part("{x:g}")
        axis.tick_params(axis="y", which="both", labelsize=7)


def _save(pyplot: Any, figure: Any, file: Path) -> None:
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
