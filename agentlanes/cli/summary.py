"""The last lines of `agentlanes run`: where the time went, and how to see it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from agentlanes.latency.counterfactual import counterfactuals
from agentlanes.latency.critical import critical_path
from agentlanes.latency.record import StepRecord
from agentlanes.latency.report.facts import CAUSES
from agentlanes.latency.table import format_ms

__all__ = ["report_line", "time_line"]

_SMALL = 0.005  # a cause below half a per cent is not worth a reader's time


def time_line(records: Sequence[StepRecord], wall_ms: float) -> str | None:
    """Say in a line where a run's time went, and what running ahead saved.

    The causes are those on the critical path, so they add up to the whole.

    Args:
        records: The run's step records.
        wall_ms: How long it took.

    Returns:
        `None` when the records have no spans to tell it by.
    """
    if not any(record.get("spans") for record in records):
        return None
    path = critical_path(records, wall_ms)
    parts = sorted(path.totals.items(), key=lambda part: -part[1])
    told = [
        f"{CAUSES[cause][1]} {format_ms(ms)} ({ms / path.wall_ms:.0%})"
        for cause, ms in parts
        if ms > path.wall_ms * _SMALL
    ]
    saved_ms = counterfactuals(records, wall_ms=wall_ms).saved_ms
    line = f"Where {format_ms(path.wall_ms)} went: {', '.join(told)}."
    if saved_ms > path.wall_ms * _SMALL:
        serial = format_ms(path.wall_ms + saved_ms)
        line += f" Waiting for every verdict would have taken {serial}."
    return line


def report_line(folder: Path, files: str) -> str:
    """Say how to open the report of files in a folder, which may be named with a `*`."""
    return f"See it: agentlanes report {shlex.quote(str(folder))}/{files} --html report.html"
