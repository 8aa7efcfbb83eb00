"""How figures are said, in the terminal and on the page alike."""

from __future__ import annotations

from agentlanes.latency.compare import Change
from agentlanes.latency.counterfactual import Counterfactuals
from agentlanes.latency.prices import Work
from agentlanes.latency.report.facts import cause_label
from agentlanes.latency.report.summary import Report
from agentlanes.latency.slo import SloResult
from agentlanes.latency.table import UNKNOWN, format_count, format_ms

__all__ = ["WORK_HEADS", "change_words", "level_words", "own_words", "work_words"]

_METRICS = {
    "output_tokens_per_s": "{:.0f} output tokens a second",
    "cached_input_share": "{:.0%} of input cached",
    "verdict_accuracy": "{:.0%} of verdicts right",
    "decided_share": "{:.0%} proved or refuted",
}

_FIGURES = {
    "wall_ms": "wall time",
    "serial_ms": "time if every verdict were awaited",
    "wasted_ms": "wasted work",
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    "cost_usd": "cost",
    "act_call_ms": "act lane call",
    "reason_call_ms": "reason lane call",
}


def level_words(result: SloResult) -> tuple[str, str, str, str]:
    """Say how a service level was kept.

    Returns:
        Whether it was, the budget left, good steps a second, and what the profile measures.
    """
    kept = "yes" if result.ok else "no"
    left = UNKNOWN if result.budget_left is None else f"{result.budget_left:.0%}"
    good = UNKNOWN if result.goodput_per_s is None else f"{result.goodput_per_s:.2f}"
    name, value = result.metric_name, result.metric_value
    told = UNKNOWN
    if name is not None and value is not None:
        told = _METRICS[name].format(value) if name in _METRICS else f"{name} {value:g}"
    return (kept, left, good, told) if result.steps else ("no steps", UNKNOWN, UNKNOWN, told)


def own_words(report: Report, result: SloResult) -> str:
    """Say what the library itself adds to a step of a level's profile, against its target."""
    own = next((one for one in report.own if one.profile == result.slo.profile), None)
    return UNKNOWN if own is None else f"{format_ms(own.p95_ms)} ({own.share:.1%})"


WORK_HEADS = (
    "work",
    "time of all",
    "lane calls",
    "tokens in",
    "cached",
    "out",
    "reasoning",
    "cost",
)
"""Headings of `work_words`."""


def work_words(against: Counterfactuals) -> list[tuple[str, ...]]:
    """Say what a run's work cost: all of it, what was discarded, and what running ahead lost."""
    rows = (
        ("all", against.spent),
        ("discarded", against.wasted),
        ("lost by running ahead", against.ahead_wasted),
    )
    return [
        (
            name,
            format_ms(work.ms),
            _calls(work),
            format_count(work.input_tokens),
            format_count(work.cached_tokens),
            format_count(work.output_tokens),
            format_count(work.reasoning_tokens),
            "unknown" if work.cost_usd is None else f"${work.cost_usd:.4f}",
        )
        for name, work in rows
    ]


def _calls(work: Work) -> str:
    silent = work.unreported_calls
    return f"{work.lane_calls} ({silent} tell no tokens)" if silent else str(work.lane_calls)


def change_words(change: Change) -> tuple[str, str, str, str, str]:
    """Say how a figure changed: its name, before, after, the change, and its interval."""
    interval = UNKNOWN
    if change.low is not None and change.high is not None:
        interval = f"{_by(change.low)} to {_by(change.high)}"
    by = UNKNOWN if change.ratio is None else _by(change.ratio)
    key, _, statistic = change.name.rpartition(" ")
    return (
        f"{_figure(key)}, {statistic}",
        _value(key, change.before),
        _value(key, change.after),
        by,
        interval,
    )


def _figure(key: str) -> str:
    return _FIGURES.get(key) or f"{cause_label(key.removesuffix('_ms'))} on the critical path"


def _value(key: str, value: float) -> str:
    if key.endswith("_ms"):
        return format_ms(value)
    return f"${value:.4f}" if key.endswith("_usd") else format_count(round(value))


def _by(ratio: float) -> str:
    return f"{ratio - 1:+.1%}"
