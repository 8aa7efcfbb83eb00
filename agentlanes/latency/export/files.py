"""Runs as JSON lines, through `observe`: the files that `agentlanes run` writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentlanes.latency.export.exporter import RunEnd, RunStart
from agentlanes.latency.jsonl import RunLog
from agentlanes.latency.record import StepRecord

__all__ = ["JsonLines"]


class JsonLines:
    """Keeps a file a run in a folder, for `read_runs` and `agentlanes report`.

    The files hold answers, arguments and results: treat them as you treat the data.

    Args:
        folder: Where they go; made if it is not there.
        facts: Put into each file's first line, such as what the agent was built with. No secrets.

    Example:
        >>> JsonLines("runs", variant="serial").folder
        PosixPath('runs')
    """

    def __init__(self, folder: Path | str, **facts: Any) -> None:
        self.folder = Path(folder)
        self._facts = facts

    def open(self, run: RunStart) -> _File:
        """Begin the run's file."""
        facts = {**self._facts, "thread": run.thread, "resumed": run.resumed}
        log = RunLog(self.folder, run.run_id, graph=run.graph, started=run.started, **facts)
        return _File(log)


class _File:
    def __init__(self, log: RunLog) -> None:
        self._log = log

    def steps(self, records: Sequence[StepRecord]) -> None:
        for record in records:
            self._log.step(record)

    def end(self, end: RunEnd) -> None:
        answer = end.outputs.get("answer")
        with self._log:
            self._log.result(
                status=end.status,
                answer=str(answer) if answer is not None else None,
                committed=end.outputs.get("committed") or (),
                error=end.error,
                wall_ms=end.wall_ms,
            )
