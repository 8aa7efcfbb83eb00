"""Step records as a table: what happened in order, where the time went, and a line a lane.

Unknown is shown as an en dash, which is not the same as zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from agentlanes.latency.record import StepRecord

__all__ = ["format_ms", "lane_summary", "step_table", "steps_view"]

UNKNOWN = "–"  # noqa: RUF001 - an en dash is meant

MODEL_WIDTH = 14
"""Columns of a model's name: with it, a step fits 100 columns whatever its figures are."""

LANE_STYLES = {"act": "cyan", "reason": "magenta", None: "yellow"}
OUTCOME_STYLES = {"committed": "green", "fenced": "blue", "skipped": "yellow", "discarded": "red"}


def format_ms(ms: float | None) -> str:
    """Write a duration in six columns at most; unknown is an en dash.

    Example:
        >>> format_ms(0), format_ms(3.14), format_ms(87.6), format_ms(4321)
        ('0 ms', '3.1 ms', '88 ms', '4.32 s')
        >>> format_ms(125_000), format_ms(7_500_000)
        ('2m05s', '2h05m')
    """
    if ms is None:
        return UNKNOWN
    if ms < 10:
        return f"{ms:.1f} ms" if ms >= 0.05 else "0 ms"
    if ms < 999.5:
        return f"{ms:.0f} ms"
    if ms < 9_995:
        return f"{ms / 1000:.2f} s"
    if ms < 59_950:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    if minutes < 60:
        return f"{minutes}m{seconds:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m"


def steps_view(records: Sequence[StepRecord]) -> Group:
    """Show a run's records: the table of steps, then the summary by lane.

    Args:
        records: Step records, of one run.

    Example:
        >>> from rich.console import Console
        >>> from agentlanes.latency.record import blank_record
        >>> record = blank_record(step=0, window=0, node="act", lane="act", outcome="committed")
        >>> Console(width=100).print(steps_view([record]))  # doctest: +SKIP
    """
    return Group(step_table(records), "", lane_summary(records))


def step_table(records: Sequence[StepRecord]) -> Table:
    """Show what happened, in order, a row a record. Fits 100 columns."""
    table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    table.add_column("step", justify="right", no_wrap=True)
    table.add_column("win", justify="right", no_wrap=True)
    table.add_column("node", no_wrap=True)
    table.add_column("model", no_wrap=True, max_width=MODEL_WIDTH, overflow="ellipsis")
    for name in ("first", "call", "tool", "wait", "saved", "wasted"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("tokens", justify="right", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    for record in records:
        wasted = record["wasted_ms"]
        table.add_row(
            str(record["step"]),
            str(record["window"]),
            _where(record),
            _cut(record["model"] or UNKNOWN),
            format_ms(_first_ms(record)),
            Text(format_ms(record["duration_ms"]), style=_late(record)),
            format_ms(record["tool_ms"]),
            format_ms(record["verdict_wait_ms"]),
            format_ms(record["overlap_saved_ms"]),
            Text(format_ms(wasted), style="red" if wasted else ""),
            _tokens(record["tokens"]["input"], record["tokens"]["output"]),
            Text(record["outcome"], style=OUTCOME_STYLES.get(record["outcome"], "")),
        )
    return table


def lane_summary(records: Sequence[StepRecord]) -> Table:
    """Show what each lane did, a line a lane, and one for the effects. Fits 100 columns.

    A sum leaves out what is unknown, and is unknown itself when nothing in it is known.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("lane", "calls", "model time", "tools", "verdict wait", "saved", "wasted"):
        table.add_column(name, justify="left" if name == "lane" else "right", no_wrap=True)
    table.add_column("tokens in/out", justify="right", no_wrap=True)
    table.add_column("reasoning", justify="right", no_wrap=True)
    table.add_column("cached", justify="right", no_wrap=True)
    for lane in ("act", "reason", None):
        mine = [record for record in records if record["lane"] == lane]
        if mine:
            table.add_row(*_summary(lane, mine))
    return table


def _summary(lane: str | None, mine: Sequence[StepRecord]) -> list[Text | str]:
    # Code issues the calls of an approved plan itself: those are records, and no model's calls.
    asked = [record for record in mine if record["attempts"] != 0 and lane is not None]

    def ms(key: str, records: Sequence[Any] = mine) -> str:
        return format_ms(_sum(record[key] for record in records))

    def tokens(kind: str) -> int | None:
        counts: list[Mapping[str, Any]] = [record["tokens"] for record in asked]
        total: int | None = _sum(count[kind] for count in counts)
        return total

    return [
        Text(lane or "effects", style=LANE_STYLES.get(lane, "")),
        str(len(asked) if lane is not None else len(mine)),
        ms("duration_ms", asked),
        ms("tool_ms"),
        ms("verdict_wait_ms"),
        ms("overlap_saved_ms"),
        ms("wasted_ms"),
        _tokens(tokens("input"), tokens("output")),
        _count(tokens("reasoning")),
        _count(tokens("cached")),
    ]


def _where(record: StepRecord) -> Text:
    """Name the node in the lane's colour, and say where no model was asked."""
    lane, name = record["lane"], record["node"]
    if record["attempts"] == 0 and lane is not None:
        name += " (plan)"
    return Text(name, style=LANE_STYLES.get(lane, ""))


def _cut(name: str) -> Text:
    # Text, so that brackets in a name are not taken for markup.
    cut = name if len(name) <= MODEL_WIDTH else f"{name[: MODEL_WIDTH - 1]}…"
    return Text(cut)


def _first_ms(record: StepRecord) -> float | None:
    """Give the first token of any kind."""
    firsts = (
        record["first_reasoning_ms"],
        record["first_content_ms"],
        record["first_tool_arg_ms"],
    )
    return min((ms for ms in firsts if ms is not None), default=None)


def _late(record: StepRecord) -> str:
    return "bold red" if record["target_met"] is False else ""


def _sum(values: Any) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _count(number: int | None) -> str:
    """Write a number of tokens.

    Example:
        >>> _count(950), _count(12_345), _count(1_234_567)
        ('950', '12.3k', '1.2M')
    """
    if number is None:
        return UNKNOWN
    scales: tuple[tuple[int, Callable[[float], str]], ...] = (
        (999_950, lambda n: f"{n / 1e6:.1f}M"),
        (10_000, lambda n: f"{n / 1e3:.1f}k"),
    )
    return next((write(number) for least, write in scales if number >= least), str(number))


def _tokens(given: int | None, made: int | None) -> str:
    return f"{_count(given)}/{_count(made)}"
