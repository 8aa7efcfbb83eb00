"""What the BFCL bench shows on the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from agentlanes.bench.bfcl import BfclOptions, BfclResult

__all__ = ["progress", "show"]

_LINE_EVERY = 20


@contextmanager
def progress(options: BfclOptions) -> Iterator[Callable[[str], None]]:
    """Show how far the bench is while the block runs: a bar, or lines where there is no terminal.

    Yields:
        What to call with the id of each task that is done.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(console, options)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        shown = bar.add_task("BFCL tasks, each in every way", total=options.tasks)
        yield lambda task_id: bar.advance(shown)


def _lines(console: Console, options: BfclOptions) -> Callable[[str], None]:
    started = time.monotonic()
    every = 1 if options.lanes == "local" else _LINE_EVERY
    done = 0

    def tell(task_id: str) -> None:
        nonlocal done
        done += 1
        if done % every == 0 or done == options.tasks:
            spent_s = time.monotonic() - started
            console.print(
                f"{done} of {options.tasks} tasks, {spent_s:.0f} s", markup=False, highlight=False
            )

    return tell


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
            f"{wall_s:.1f} s" if result.timed_tasks else "-",
            f"{counts['act_requests']:.0f}",
            f"{counts['reason_requests']:.0f}",
            f"{counts['discarded_steps']:.0f}",
        )
    console.print(table)
    if planned is not None:
        console.print(_gains(planned))
    if options.lanes == "scripted" and options.act_url is None:
        console.print(
            f"scripted lanes: act {options.act_ms:g} ms, reason {options.reason_ms:g} ms, "
            f"{options.act_error:.0%} of the act lane's calls wrong at first, seed {options.seed}"
        )
    console.print(
        f"{options.in_flight} tasks at a time, planning {options.plans}, "
        f"a tool call takes {options.tool_ms:g} ms; "
        f"walls are summed over the {result.timed_tasks} tasks that no pass gave up"
    )
    if options.lanes == "local":
        _show_abilities(console, options, result)
    if result.speedup is not None:
        console.print(f"[bold]{result.speedup:.2f}x[/bold] as fast as awaiting every verdict")
    for failure in result.failures[:10]:
        console.print(
            f"not right: {failure['task']} ({failure['pass']}): {failure['why'][:200]}",
            highlight=False,
            markup=False,
        )


def _gains(planned: dict[str, float]) -> str:
    """Say what planning gains alone, and what running ahead adds, over the same tasks."""
    serial_s, plan_s, lanes_s = (
        planned[name] for name in ("serial_wall_s", "wall_s", "lanes_wall_s")
    )
    said = (
        f"in those {planned['tasks']:.0f} tasks: run-ahead {lanes_s:.1f} s, awaiting every verdict "
        f"{serial_s:.1f} s"
    )
    if not plan_s or not lanes_s:
        return said
    return (
        f"{said}; judging plans once, without running ahead, gains {serial_s / plan_s:.2f}x, "
        f"and with it {serial_s / lanes_s:.2f}x"
    )


def _show_abilities(console: Console, options: BfclOptions, result: BfclResult) -> None:
    """Print how far the models got, which with small ones says more than the tasks."""
    bound = "no bound" if options.turn_bound_s is None else f"{options.turn_bound_s:g} s"
    console.print(
        f"a turn, and its task with it, ends at {bound}, {options.steps} calls, or "
        f"{options.corrections + 1} rejections in a row; no call is made twice in a turn"
    )
    names = {"lanes": "run-ahead", "serial": "awaited", "serial_plan": "awaited, plans judged once"}
    for key, can in result.abilities.items():
        counts = result.counts[key]
        stopped = ", ".join(f"{count} {kind}" for kind, count in can["stopped"].items())
        lines = [
            f"{names[key]}: {counts['spent_s']:.0f} s in the agent, "
            f"{can['finished']} of {can['turns']} turns finished; "
            f"stopped by: {stopped or 'nothing'}",
            f"  {can['calls']} calls committed, {can['right_calls']} of them among the "
            f"{can['wanted_calls']} that the turns begun ask for; the first call was right in "
            f"{can['first_calls_right']} turns",
            f"  {counts['input_tokens']:.0f} tokens read, {counts['cached_tokens']:.0f} of them "
            f"cached; {counts['output_tokens']:.0f} written",
        ]
        if can["judged"]:
            lines.insert(2, f"  {_verdicts(can['judged'])}")
        for line in lines:
            console.print(line, highlight=False, markup=False)


def _verdicts(judged: dict[str, int]) -> str:
    right = sum(n for name, n in judged.items() if name.endswith("_right"))
    wrong = sum(judged.values()) - right
    return (
        f"verdicts on calls: approved {judged.get('approve_right', 0)} of {right} that the ground "
        f"truth has, and rejected {judged.get('reject_wrong', 0)} of {wrong} that it has not"
    )
