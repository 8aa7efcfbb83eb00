"""Step records as a table: what happened in order, where the time went, and a line a lane.

Unknown is shown as an en dash, which is not the same as zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Group
from rich.text import Text

from agentlanes.latency.fitting import Column, FittedTable
from agentlanes.latency.record import StepRecord

__all__ = [
    "UNKNOWN",
    "format_count",
    "format_ms",
    "lane_summary",
    "printable",
    "step_table",
    "steps_view",
    "sum_known",
]

UNKNOWN = "–"  # noqa: RUF001 - an en dash is meant

MODEL_WIDTH = 14
"""Columns of a model's name that is cut: a step fits 100 columns whatever its figures are."""

DROPPED = ("model", "win", "first", "wasted", "saved", "tokens", "tool")
"""What a narrow table of steps leaves out, the first first."""

NOTHING = (UNKNOWN, f"{UNKNOWN}/{UNKNOWN}", "0 ms")

LANE_STYLES = {"act": "cyan", "reason": "magenta", None: "yellow"}
OUTCOME_STYLES = {"committed": "green", "fenced": "blue", "skipped": "yellow", "discarded": "red"}

_SUMMARY = (
    Column(name="lane", cells=(), left=True),
    Column(name="calls", cells=()),
    Column(name="model time", short_name="model", cells=()),
    Column(name="tools", cells=()),
    Column(name="verdict wait", short_name="wait", cells=()),
    Column(name="saved", cells=()),
    Column(name="wasted", cells=()),
    Column(name="tokens in/out", short_name="tokens", cells=(), drop=3),
    Column(name="reasoning", cells=(), drop=2),
    Column(name="cached", cells=(), drop=1),
)


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


def step_table(records: Sequence[StepRecord]) -> FittedTable:
    """Show what happened, in order, a row a record.

    Whole in 100 columns, in which only model names are cut. With less room columns are left out:
    first those in which nothing was measured, then the model's name.
    """
    columns = [
        Column(name="step", cells=[str(record["step"]) for record in records]),
        Column(name="win", cells=[str(record["window"]) for record in records]),
        Column(name="node", cells=[_where(record) for record in records], left=True),
        Column(
            name="model",
            cells=[printable(record["model"] or UNKNOWN) for record in records],
            short_width=MODEL_WIDTH,
            left=True,
        ),
        Column(name="first", cells=[format_ms(_first_ms(record)) for record in records]),
        Column(
            name="call", cells=[Text(format_ms(r["duration_ms"]), style=_late(r)) for r in records]
        ),
        Column(name="tool", cells=[format_ms(record["tool_ms"]) for record in records]),
        Column(name="wait", cells=[format_ms(record["verdict_wait_ms"]) for record in records]),
        Column(name="saved", cells=[format_ms(record["overlap_saved_ms"]) for record in records]),
        Column(name="wasted", cells=[_wasted(record["wasted_ms"]) for record in records]),
        Column(
            name="tokens",
            cells=[_tokens(r["tokens"]["input"], r["tokens"]["output"]) for r in records],
        ),
        Column(
            name="outcome", cells=[_outcome(record["outcome"]) for record in records], left=True
        ),
    ]
    return FittedTable([replace(column, drop=_rank(column)) for column in columns])


def lane_summary(records: Sequence[StepRecord]) -> FittedTable:
    """Show what each lane did, a line a lane, and one for the effects. Whole in 80 columns.

    A sum leaves out what is unknown, and is unknown itself when nothing in it is known.
    """
    lines = []
    for lane in ("act", "reason", None):
        mine = [record for record in records if record["lane"] == lane]
        if mine:
            lines.append(_summary(lane, mine))
    return FittedTable(
        [
            replace(column, cells=[line[place] for line in lines])
            for place, column in enumerate(_SUMMARY)
        ],
        gap=2,
    )


def _summary(lane: str | None, mine: Sequence[StepRecord]) -> list[Text | str]:
    # Code issues the calls of an approved plan itself: those are records, and no model's calls.
    asked = [record for record in mine if record["attempts"] != 0 and lane is not None]

    def ms(key: str, records: Sequence[Any] = mine) -> str:
        return format_ms(sum_known(record[key] for record in records))

    def tokens(kind: str) -> int | None:
        counts: list[Mapping[str, Any]] = [record["tokens"] for record in asked]
        total: int | None = sum_known(count[kind] for count in counts)
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
        format_count(tokens("reasoning")),
        format_count(tokens("cached")),
    ]


def _where(record: StepRecord) -> Text:
    """Name the node in the lane's colour, and say where no model was asked."""
    lane, name = record["lane"], record["node"]
    if record["attempts"] == 0 and lane is not None:
        name += " (plan)"
    return Text(name, style=LANE_STYLES.get(lane, ""))


def _rank(column: Column) -> int | None:
    """Say when a column is left out; one with nothing in it goes before all others."""
    if column.name not in DROPPED:
        return None
    empty = all(str(cell) in NOTHING for cell in column.cells)
    return DROPPED.index(column.name) - (len(DROPPED) if empty else 0)


def printable(name: str) -> str:
    """Give a name that came from an endpoint or a file so that it cannot steer the terminal.

    Example:
        >>> printable("a" + chr(27) + "[2Jb")
        'a?[2Jb'
    """
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _wasted(ms: float | None) -> Text:
    return Text(format_ms(ms), style="red" if ms else "")


def _outcome(outcome: str) -> Text:
    return Text(outcome, style=OUTCOME_STYLES.get(outcome, ""))


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


def sum_known(values: Iterable[Any]) -> Any:
    """Add up what is known; `None` when nothing is.

    Example:
        >>> sum_known([1, None, 2]), sum_known([None])
        (3, None)
    """
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def format_count(number: int | None) -> str:
    """Write a number of tokens.

    Example:
        >>> format_count(950), format_count(12_345), format_count(1_234_567)
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
    return f"{format_count(given)}/{format_count(made)}"
