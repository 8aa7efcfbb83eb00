"""The page's tables: runs, lanes, the longest parts of the critical path, distributions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agentlanes.latency.counterfactual import Counterfactuals
from agentlanes.latency.economy import Economy
from agentlanes.latency.histogram import Grouping, Histogram
from agentlanes.latency.report.charts import percent, spread, swatch
from agentlanes.latency.report.facts import RunFacts, cause_label
from agentlanes.latency.report.kv import KV_HEADS, kv_words
from agentlanes.latency.report.markup import Child, Element, element
from agentlanes.latency.report.picture import span_title
from agentlanes.latency.report.summary import Report
from agentlanes.latency.report.words import (
    WORK_HEADS,
    change_words,
    level_words,
    own_words,
    work_words,
)
from agentlanes.latency.table import UNKNOWN, format_count, format_ms, sum_known

__all__ = [
    "Col",
    "changes_table",
    "cost_table",
    "kv_table",
    "lanes_table",
    "levels_table",
    "path_table",
    "quantiles_table",
    "runs_table",
    "short_id",
    "started",
    "table",
]

LONGEST = 8
"""Parts of the critical path that are listed."""

Col = tuple[str, bool]
"""A column: its heading, and whether it holds words rather than figures."""


def table(
    caption: str, columns: Sequence[Col], rows: Iterable[Sequence[Child]], look: str | None = None
) -> Element:
    """Make a table in a box that scrolls sideways where there is no room.

    Args:
        caption: What it shows.
        columns: From the left.
        rows: Cells, as many as columns.
        look: A class of its own.
    """
    heading = element(
        "tr",
        (
            element("th", name, scope="col", class_="w" if words else None)
            for name, words in columns
        ),
    )
    body = element("tbody")
    for row in rows:
        cells = []
        for place, (cell, (_, words)) in enumerate(zip(row, columns, strict=True)):
            kind = "w" if words else None
            tag, scope = ("th", "row") if place == 0 else ("td", None)
            cells.append(element(tag, cell, scope=scope, class_=kind))
        body.append(element("tr", cells))
    made = element(
        "table", element("caption", caption), element("thead", heading), body, class_=look
    )
    return element("div", made, class_="scroll", tabindex="0", role="group", aria_label=caption)


def runs_table(runs: Sequence[RunFacts], *, shown: int) -> Element:
    """List the runs.

    Args:
        runs: The runs.
        shown: So many of them, from the first, have their own part of the page, with a link to it.
    """
    columns = [
        ("run", True),
        ("started", True),
        ("graph", True),
        ("ended", True),
        ("wall", False),
        ("most of it", True),
        ("saved", False),
        ("wasted", False),
        ("steps", False),
    ]
    rows: list[list[Child]] = []
    for place, facts in enumerate(runs):
        link: Child = short_id(facts)
        if place < shown:
            link = element("a", link, href=f"#run-{place}", data_run=f"run-{place}")
        status = facts.run.status
        rows.append(
            [
                link,
                started(facts),
                facts.graph or UNKNOWN,
                element("span", status, class_="good" if status == "done" else "bad"),
                format_ms(facts.wall_ms),
                _most(facts),
                format_ms(facts.against.saved_ms if facts.against else None),
                format_ms(facts.against.wasted_ms if facts.against else None),
                str(len(facts.records)),
            ]
        )
    left = f"; the page has no room for more than the first {shown}" if shown < len(runs) else ""
    return table(f"As they started{left}", columns, rows)


def lanes_table(facts: RunFacts) -> Element:
    """Show what each lane did in a run."""
    columns = [
        ("lane", True),
        ("calls", False),
        ("on the critical path", False),
        ("model time", False),
        ("tools", False),
        ("waits", False),
        ("saved", False),
        ("wasted", False),
        ("tokens in", False),
        ("cached", False),
        ("out", False),
        ("reasoning", False),
    ]
    rows: list[list[Child]] = []
    for lane, name in (("act", "act lane"), ("reason", "reason lane"), (None, "effects")):
        mine = [record for record in facts.records if record["lane"] == lane]
        if not mine:
            continue
        asked = [record for record in mine if record["attempts"] != 0 and lane is not None]
        tokens = [record["tokens"] for record in asked]
        models = sorted({record["model"] for record in asked if record["model"]})
        said = element("span", f" {', '.join(models)}", class_="unknown name") if models else None
        rows.append(
            [
                element("span", name, said),
                str(len(asked) if lane else len(mine)),
                format_ms(_on_path(facts, lane)),
                format_ms(sum_known(record["duration_ms"] for record in asked)),
                format_ms(sum_known(record["tool_ms"] for record in mine)),
                format_ms(sum_known(record["verdict_wait_ms"] for record in mine)),
                format_ms(sum_known(record["overlap_saved_ms"] for record in mine)),
                format_ms(sum_known(record["wasted_ms"] for record in mine)),
                *(
                    format_count(sum_known(count[kind] for count in tokens))
                    for kind in ("input", "cached", "output", "reasoning")
                ),
            ]
        )
    return table("By lane, with what ran at the same time counted in each", columns, rows)


def cost_table(against: Counterfactuals) -> Element:
    """Show what the work of a run cost, and what of it was thrown away."""
    columns = [(head, place == 0) for place, head in enumerate(WORK_HEADS)]
    caption = "Work of both lanes and the tools, added up however much ran at once"
    return table(caption, columns, work_words(against))


def kv_table(found: Economy) -> Element:
    """Show what each lane was shown and held, against the reason lane alone."""
    columns = [(head, place == 0) for place, head in enumerate(KV_HEADS)]
    caption = "Tokens each lane was shown, and estimates of the KV cache that holds them"
    return table(caption, columns, kv_words(found))


def path_table(facts: RunFacts) -> Element | None:
    """List the longest parts of the critical path."""
    if facts.path is None:
        return None
    spans = {span["id"]: span for span in facts.spans}
    longest = sorted(facts.path.segments, key=lambda part: part.start_ms - part.end_ms)[:LONGEST]
    rows: list[list[Child]] = []
    for part in longest:
        span = spans.get(part.span_id or "")
        rows.append(
            [
                element("span", swatch(part.cause), f" {cause_label(part.cause)}", class_="cause"),
                span_title(span) if span else "between steps",
                format_ms(part.start_ms),
                format_ms(part.end_ms - part.start_ms),
            ]
        )
    columns = [("cause", True), ("what", True), ("at", False), ("takes", False)]
    return table("The longest parts of the critical path", columns, rows)


def quantiles_table(grouping: Grouping, found: Mapping[str, Histogram]) -> Element | None:
    """Show distributions side by side, on one logarithmic scale."""
    bins = {name: each.bins() for name, each in found.items()}
    edges = [edge for each in bins.values() for bin_ in each for edge in (bin_.from_ms, bin_.to_ms)]
    if not edges:
        return None
    low, high = max(min(edges), max(edges) / 10_000), max(edges)
    rows: list[list[Child]] = []
    for name, each in found.items():
        figures = each.quantiles()
        rows.append(
            [
                element("span", name, class_="name"),
                str(figures.count),
                spread(bins[name], low, high),
                *(
                    format_ms(ms)
                    for ms in (
                        figures.p50_ms,
                        figures.p90_ms,
                        figures.p95_ms,
                        figures.p99_ms,
                        figures.max_ms,
                    )
                ),
            ]
        )
    scale = f"{format_ms(low)} to {format_ms(high)}, logarithmic"
    columns = [
        (grouping, True),
        ("calls", False),
        (f"spread ({scale})", True),
        *((name, False) for name in ("p50", "p90", "p95", "p99", "longest")),
    ]
    return table(f"Calls by {grouping}", columns, rows, look="spreads")


def levels_table(report: Report) -> Element:
    """Show how the service levels were kept."""
    columns = [
        ("service level", True),
        ("kept", True),
        ("target", False),
        ("objective", False),
        ("steps", False),
        ("slow", False),
        ("budget left", False),
        ("good steps a second", False),
        ("library's own part, p95", False),
        ("measured", True),
    ]
    rows: list[list[Child]] = []
    for result in report.levels.results:
        words = level_words(result)
        look = {"yes": "good", "no": "bad"}.get(words[0], "unknown")
        rows.append(
            [
                element("span", result.slo.name, class_="name"),
                element("span", words[0], class_=look),
                f"< {format_ms(result.slo.target_ms)}",
                f"{result.slo.objective:.0%}",
                str(result.steps),
                str(result.slow),
                *words[1:3],
                own_words(report, result),
                words[3],
            ]
        )
    return table("Steps that take less than their target, against their objective", columns, rows)


def changes_table(report: Report) -> Element:
    """Show how the runs differ from those before."""
    columns = [
        ("figure", True),
        ("before", False),
        ("after", False),
        ("change", False),
        ("95% interval", False),
        ("", True),
    ]
    rows: list[list[Child]] = []
    for change in report.changes:
        name, before, after, by, interval = change_words(change)
        said = "clear" if change.clear else "within the noise" if change.low is not None else ""
        rows.append([name, before, after, by, interval, said])
    caption = (
        f"{report.before} runs before, {len(report.runs)} after; means and quantiles of all their "
        "calls, intervals from drawing whole runs again"
    )
    return table(caption, columns, rows)


def started(facts: RunFacts) -> str:
    """Say when a run started, to the second, as its file has it."""
    return str(facts.run.head.get("started") or UNKNOWN)[:19].replace("T", " ")


def short_id(facts: RunFacts) -> str:
    """Give enough of a run's id to know it by."""
    run_id, dot, number = facts.run.run_id.partition(".")  # of the runs of a graph above
    return facts.run.run_id if len(run_id) <= 20 else f"{run_id[:8]}{dot}{number}"


def _on_path(facts: RunFacts, lane: str | None) -> float | None:
    if facts.path is None or lane is None:
        return None
    return sum(facts.path.lanes.get(lane, {}).values())


def _most(facts: RunFacts) -> Child:
    whole: Any = sum(facts.causes.values())
    if not whole:
        return UNKNOWN
    cause, ms = next(iter(facts.causes.items()))
    return f"{cause_label(cause)} {percent(ms / whole)}"
