"""`replay`: send run files to exporters, as if the runs went on once more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import cast

from agentlanes.latency.export.exporter import Exporter, RunEnd, RunStart
from agentlanes.latency.jsonl import LoggedRun, RunStatus
from agentlanes.latency.record import StepRecord

__all__ = ["replay", "wall_ms_of"]


def replay(runs: Iterable[LoggedRun], *exporters: Exporter) -> int:
    """Send runs that were kept in files to exporters, with the times they had.

    A run without a last line, since it was killed or goes on still, counts as stopped.

    Args:
        runs: What `read_run` and `read_runs` give.
        exporters: Where to.

    Returns:
        How many runs were sent.

    Raises:
        ValueError: A run's first line does not say when it started.
    """
    sent = 0
    for run in runs:
        start = RunStart(
            run_id=run.run_id,
            graph=run.graph,
            started=datetime.fromisoformat(str(run.head.get("started"))),
            thread=run.head.get("thread"),
            live=False,
            resumed=bool(run.head.get("resumed")),
        )
        sinks = [exporter.open(start) for exporter in exporters]
        for batch in _batches(run.steps):
            for sink in sinks:
                sink.steps(batch)
        told = run.result or {}
        end = RunEnd(
            status=cast("RunStatus", told.get("status", "stopped")),
            wall_ms=wall_ms_of(run),
            error=told.get("error"),
            outputs={key: told[key] for key in ("answer", "committed") if key in told},
        )
        for sink in sinks:
            sink.end(end)
        sent += 1
    return sent


def wall_ms_of(run: LoggedRun) -> float | None:
    """Give how long a run took, in milliseconds; `None` when its file does not say.

    Files of schema 1 have seconds, or only the times at both ends.
    """
    told = run.result or {}
    if isinstance(told.get("wall_ms"), int | float):
        return float(told["wall_ms"])
    if isinstance(told.get("wall_s"), int | float):
        return float(told["wall_s"]) * 1000
    try:
        began, ended = run.head["started"], told["ended"]
        took = datetime.fromisoformat(ended) - datetime.fromisoformat(began)
    except (KeyError, TypeError, ValueError):
        return None
    return took.total_seconds() * 1000


def _batches(steps: Iterable[StepRecord]) -> Iterator[list[StepRecord]]:
    """Group records as they were made: a window's together, then its effect, then the answer."""
    for _, group in groupby(steps, lambda s: (s["window"], s["node"] in ("effects", "deliver"))):
        yield list(group)
