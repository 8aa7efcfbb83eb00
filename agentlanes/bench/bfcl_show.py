"""What the BFCL bench shows on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from agentlanes.bench.bfcl import BfclOptions, BfclResult

__all__ = ["progress", "show"]


@contextmanager
def progress(options: BfclOptions) -> Iterator[Callable[[str], None]]:
    """Show a bar while the block runs.

    Yields:
        What to call with the id of each task that is done.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        shown = bar.add_task("BFCL tasks, each in every way", total=options.tasks)
        yield lambda task_id: bar.advance(shown)


def show(options: BfclOptions, result: BfclResult) -> None:
    """Print the figures, and under which conditions they arose."""
    console = Console()
    table = Table(
        title=f"BFCL multi_turn_base, first {result.tasks}; requests by lane, steps discarded",
        title_justify="left",
    )
    for column in ("pass", "correct", "wall", "act", "reason", "discarded"):
        table.add_column(column, justify="left" if column == "pass" else "right")
    rows: list[tuple[str, str, float, float]] = [
        ("lanes", "run-ahead", result.correct, result.wall_s),
        ("serial", "every verdict awaited", result.serial_correct, result.serial_wall_s),
    ]
    planned = result.serial_plan
    if planned is not None:
        title = "awaited, plans judged once"
        rows.append(("serial_plan", title, planned["correct"], planned["wall_s"]))
    for key, title, correct, wall_s in rows:
        counts = result.counts[key]
        table.add_row(
            title,
            f"{correct:.0f} of {counts['tasks']:.0f}",
            f"{wall_s:.1f} s",
            f"{counts['act_requests']:.0f}",
            f"{counts['reason_requests']:.0f}",
            f"{counts['discarded_steps']:.0f}",
        )
    console.print(table)
    if planned is not None:
        console.print(
            f"in those {planned['tasks']:.0f} tasks run-ahead took {planned['lanes_wall_s']:.1f} s "
            f"and awaiting every verdict {planned['serial_wall_s']:.1f} s"
        )
    if options.lanes == "scripted" and options.act_url is None:
        console.print(
            f"scripted lanes: act {options.act_ms:g} ms, reason {options.reason_ms:g} ms, "
            f"{options.act_error:.0%} of the act lane's calls wrong at first, seed {options.seed}"
        )
    console.print(
        f"{options.in_flight} tasks at a time, planning {options.planning}, "
        f"a tool call takes {options.tool_ms:g} ms; "
        f"walls are summed over the {result.timed_tasks} tasks that no pass gave up"
    )
    if result.speedup is not None:
        console.print(f"[bold]{result.speedup:.2f}x[/bold] as fast as awaiting every verdict")
    for failure in result.failures[:10]:
        console.print(
            f"not right: {failure['task']} ({failure['pass']}): {failure['why'][:200]}",
            highlight=False,
            markup=False,
        )
