"""The report as text: what the page shows first, in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from agentlanes.latency.counterfactual import Counterfactuals
from agentlanes.latency.economy import Economy
from agentlanes.latency.fitting import Column, FittedTable
from agentlanes.latency.report.charts import percent
from agentlanes.latency.report.facts import RunFacts, cause_label, totals
from agentlanes.latency.report.kv import KV_HEADS, kv_notes, kv_words
from agentlanes.latency.report.picture import span_title
from agentlanes.latency.report.summary import Report
from agentlanes.latency.report.tables import short_id, started
from agentlanes.latency.report.words import (
    WORK_HEADS,
    change_words,
    level_words,
    own_words,
    work_words,
)
from agentlanes.latency.table import UNKNOWN, format_ms, lane_summary, printable

__all__ = ["report_text"]

BAR = 30
"""Columns of the longest bar."""

LONGEST = 5
"""Parts of the critical path that are listed."""

STYLES = {
    "act": "cyan",
    "reason_wait": "magenta",
    "tool": "yellow",
    "queue": "blue",
    "retry": "red",
    "undo": "red",
    "person": "green",
    "framework": "bright_black",
}


def report_text(report: Report) -> Iterator[RenderableType]:
    """Give the report's parts, from the headline down, for a rich console to print."""
    first, rest = report.title
    yield Text.assemble((first, "bold"), f"; {rest}" if rest else "")
    if len(report.runs) == 1:
        yield from _run(report.runs[0])
    else:
        yield from _part("Where the time went, over all runs", _causes(totals(report.runs)))
        yield from _part("Runs", _runs(report.runs))
    if report.changes:
        title = f"Before ({report.before} runs) and after ({len(report.runs)})"
        yield from _part(title, _changes(report))
    if any(found for found in report.latencies.values()):
        yield from _part("Calls", _quantiles(report))
    elif report.missing:
        yield from _part("Calls", Text(report.missing, style="dim"))
    yield from _part("Service levels", _levels(report))


def _part(title: str, body: RenderableType) -> Iterator[RenderableType]:
    yield Text()
    yield Text(title, style="bold")
    yield body


def _run(facts: RunFacts) -> Iterator[RenderableType]:
    run = facts.run
    about = [f"run {run.run_id}", facts.graph or "", started(facts), f"{len(run.steps)} steps"]
    yield Text(printable(", ".join(part for part in [*about, run.status] if part)), style="dim")
    if facts.path is None or facts.against is None:
        text = "recorded without spans (schema 1): no critical path; the lanes are below"
        yield Text(text, style="dim")
    else:
        yield from _part("Where the time went (critical path)", _causes(facts.causes))
        against = [
            ("every verdict awaited", facts.against.serial_ms),
            ("this run", facts.wall_ms or 0.0),
            ("perfect overlap", facts.against.bound_ms),
        ]
        yield from _part("Against other ways to run it", _bars(against))
        yield from _part("Longest on the critical path", _longest(facts))
    yield from _part("Lanes", lane_summary(facts.records))
    if facts.against is not None:
        yield from _part("Cost", _cost(facts.against))
    if facts.economy.lanes:
        yield from _part("Context and KV cache", _kv(facts.economy))
        yield from (Text(printable(note), style="dim") for note in kv_notes(facts.economy))


def _causes(causes: dict[str, float]) -> FittedTable:
    whole = sum(causes.values()) or 1.0
    names = [Text(cause_label(cause), style=STYLES.get(cause, "")) for cause in causes]
    bars = [
        Text("█" * max(1, round(BAR * ms / whole)), style=STYLES.get(cause, ""))
        for cause, ms in causes.items()
    ]
    return FittedTable(
        [
            Column(name="cause", cells=names, left=True),
            Column(name="time", cells=[format_ms(ms) for ms in causes.values()]),
            Column(name="share", cells=[percent(ms / whole) for ms in causes.values()]),
            Column(name="", cells=bars, left=True, drop=0),
        ],
        gap=2,
    )


def _bars(bars: Sequence[tuple[str, float]]) -> FittedTable:
    most = max(ms for _, ms in bars) or 1.0
    drawn = ["█" * max(1, round(BAR * ms / most)) for _, ms in bars]
    return FittedTable(
        [
            Column(name="run", cells=[name for name, _ in bars], left=True),
            Column(name="time", cells=[format_ms(ms) for _, ms in bars]),
            Column(name="", cells=drawn, left=True, drop=0),
        ],
        gap=2,
    )


def _longest(facts: RunFacts) -> FittedTable:
    segments = facts.path.segments if facts.path else []
    spans = {span["id"]: span for span in facts.spans}
    parts = sorted(segments, key=lambda part: part.start_ms - part.end_ms)[:LONGEST]
    what = [
        printable(span_title(spans[part.span_id])) if part.span_id in spans else "between steps"
        for part in parts
    ]
    return FittedTable(
        [
            Column(name="takes", cells=[format_ms(part.end_ms - part.start_ms) for part in parts]),
            Column(name="at", cells=[format_ms(part.start_ms) for part in parts]),
            Column(name="cause", cells=[cause_label(part.cause) for part in parts], left=True),
            Column(name="what", cells=what, left=True, drop=0),
        ],
        gap=2,
    )


def _cost(against: Counterfactuals) -> FittedTable:
    rows = work_words(against)
    drops = (None, None, 3, 4, 1, 5, 2, None)
    return FittedTable(
        [
            Column(
                name=head,
                cells=[row[place] for row in rows],
                left=place == 0,
                drop=drop,
            )
            for place, (head, drop) in enumerate(zip(WORK_HEADS, drops, strict=True))
        ],
        gap=2,
    )


def _kv(found: Economy) -> FittedTable:
    rows = kv_words(found)
    drops = (None, 0, None, None, 1, 2, None, None)
    return FittedTable(
        [
            Column(name=head, cells=[row[place] for row in rows], left=place == 0, drop=drop)
            for place, (head, drop) in enumerate(zip(KV_HEADS, drops, strict=True))
        ],
        gap=2,
    )


def _runs(runs: Sequence[RunFacts]) -> FittedTable:
    def most(facts: RunFacts) -> str:
        whole = sum(facts.causes.values())
        shares = (f"{cause_label(c)} {percent(ms / whole)}" for c, ms in facts.causes.items())
        return next(shares, UNKNOWN) if whole else UNKNOWN

    def against(facts: RunFacts, key: str) -> str:
        return format_ms(getattr(facts.against, key) if facts.against else None)

    return FittedTable(
        [
            Column(name="run", cells=[printable(short_id(facts)) for facts in runs], left=True),
            Column(name="started", cells=[started(f) for f in runs], left=True, drop=1),
            Column(name="ended", cells=[facts.run.status for facts in runs], left=True),
            Column(name="wall", cells=[format_ms(facts.wall_ms) for facts in runs]),
            Column(name="most of it", cells=[most(facts) for facts in runs], left=True, drop=2),
            Column(name="saved", cells=[against(facts, "saved_ms") for facts in runs]),
            Column(name="wasted", cells=[against(facts, "wasted_ms") for facts in runs]),
            Column(name="steps", cells=[str(len(facts.records)) for facts in runs], drop=0),
        ],
        gap=2,
    )


def _changes(report: Report) -> FittedTable:
    said = [change_words(change) for change in report.changes]
    clear = [
        Text("clear", style="bold")
        if change.clear
        else Text("within the noise" if change.low is not None else "", style="dim")
        for change in report.changes
    ]
    heads = ("figure", "before", "after", "change", "95% interval")
    return FittedTable(
        [
            *(
                Column(name=head, cells=[row[place] for row in said], left=place == 0)
                for place, head in enumerate(heads)
            ),
            Column(name="", cells=clear, left=True, drop=0),
        ],
        gap=2,
    )


def _quantiles(report: Report) -> FittedTable:
    found = [
        (grouping, name, each.quantiles())
        for grouping, names in report.latencies.items()
        for name, each in names.items()
    ]
    figures = [figure for _, _, figure in found]
    return FittedTable(
        [
            Column(name="by", cells=[grouping for grouping, _, _ in found], left=True, drop=2),
            Column(name="", cells=[printable(name) for _, name, _ in found], left=True),
            Column(name="calls", cells=[str(figure.count) for figure in figures]),
            Column(name="p50", cells=[format_ms(figure.p50_ms) for figure in figures]),
            Column(name="p90", cells=[format_ms(figure.p90_ms) for figure in figures], drop=1),
            Column(name="p95", cells=[format_ms(figure.p95_ms) for figure in figures]),
            Column(name="p99", cells=[format_ms(figure.p99_ms) for figure in figures]),
            Column(name="longest", cells=[format_ms(f.max_ms) for f in figures], drop=0),
        ],
        gap=2,
    )


def _levels(report: Report) -> FittedTable:
    results = report.levels.results
    words = [level_words(result) for result in results]
    styles = {"yes": "green", "no": "bold red"}
    return FittedTable(
        [
            Column(name="level", cells=[printable(r.slo.name) for r in results], left=True),
            Column(
                name="kept",
                cells=[Text(word[0], style=styles.get(word[0], "dim")) for word in words],
                left=True,
            ),
            Column(name="target", cells=[f"< {format_ms(r.slo.target_ms)}" for r in results]),
            Column(name="for", cells=[f"{result.slo.objective:.0%}" for result in results]),
            Column(name="steps", cells=[str(result.steps) for result in results]),
            Column(name="slow", cells=[str(result.slow) for result in results]),
            Column(name="budget left", cells=[word[1] for word in words]),
            Column(name="library p95", cells=[own_words(report, r) for r in results], drop=1),
            Column(name="measured", cells=[word[3] for word in words], left=True, drop=0),
        ],
        gap=2,
    )
