"""The files that `agentlanes run` leaves: one for each run of an agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from agentlanes.latency.jsonl import RunLog, RunStatus
from agentlanes.latency.record import StepRecord

__all__ = ["RunFiles", "end_ms"]


def end_ms(records: Sequence[StepRecord]) -> float:
    """Give the time at which the last of a run's records ends, from the run's start."""
    return max((record["ended_ms"] or 0.0 for record in records), default=0.0)


class RunFiles(ExitStack):
    """Writes what is streamed. A graph above may run an agent several times, also at once.

    The first run is in `<run_id>.jsonl`, as the only one is; the second in `<run_id>.2.jsonl`.

    Args:
        folder: Where they go.
        run_id: Id of the whole.
        graph: The graph's name.
        facts: Further facts for the first line of the first.

    Attributes:
        folder: Where they go.
        records: Step records, by the run's uid.
    """

    def __init__(self, folder: Path, run_id: str, graph: str, facts: Mapping[str, Any]) -> None:
        super().__init__()
        self.folder = folder
        self.records: dict[str, list[StepRecord]] = {}
        self._run_id, self._graph = run_id, graph
        self._first = self.enter_context(RunLog(folder, run_id, graph=graph, **facts))
        self._logs: dict[str, RunLog] = {}

    @property
    def shown(self) -> str:
        """The files as a shell names them, but for the folder."""
        return f"{self._run_id}{'*' if len(self._logs) > 1 else ''}.jsonl"

    def event(self, event: Any) -> None:
        """Write an event of the custom stream to the file of its run; pass over other events."""
        kind = str(event.get("type") or "") if isinstance(event, Mapping) else ""
        if not kind.startswith("agentlanes."):
            return
        uid = event.get("run")
        log = self._first if uid is None else self._log(uid)
        log.event(event)
        if kind == "agentlanes.steps":
            self.records.setdefault(str(uid), []).extend(event["records"])

    def end(
        self, status: RunStatus, *, steps: Sequence[StepRecord], wall_ms: float, **more: Any
    ) -> None:
        """Write the last lines.

        Args:
            status: How it ended.
            steps: The records, where none were streamed.
            wall_ms: How long it took. Where there were several runs, each has its own time.
            more: What else `RunLog.result` takes.
        """
        if not self.records:
            self._first.steps(steps)
        several = len(self._logs) > 1
        for uid, log in self._logs.items():
            if log is not self._first:
                log.result(status=status, wall_ms=end_ms(self.records.get(uid, ())))
            elif several:
                wall_ms = end_ms(self.records.get(uid, ()))
        self._first.result(status=status, wall_ms=wall_ms, **more)

    def _log(self, uid: str) -> RunLog:
        if uid not in self._logs:
            number = len(self._logs) + 1
            self._logs[uid] = self._first
            if number > 1:
                name = f"{self._run_id}.{number}"
                log = RunLog(self.folder, name, graph=self._graph, part_of=self._run_id)
                self._logs[uid] = self.enter_context(log)
        return self._logs[uid]
