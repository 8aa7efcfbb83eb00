"""What an exporter is: it opens a sink for each run, and the sink takes the run's records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from agentlanes.latency.jsonl import RunStatus
from agentlanes.latency.record import StepRecord

__all__ = ["Exporter", "RunEnd", "RunSink", "RunStart"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStart:
    """A run that begins.

    Attributes:
        run_id: Its id: that of the invocation, as LangSmith has it, or of the run's file.
        graph: The graph's name.
        started: When it began. Offsets in its records count from here.
        thread: The thread it runs on, where there is one.
        live: Whether it is going on now, rather than told from a file.
        resumed: It goes on from a checkpoint, so its clock does not begin at 0.
    """

    run_id: str
    graph: str | None
    started: datetime
    thread: str | None = None
    live: bool = True
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended.

    Attributes:
        status: `stopped` for a run that was cancelled or waits for a person.
        wall_ms: From its start to its end; `None` is unknown.
        error: Type of the exception that ended it. Its message is not handed on, since it may
            quote what the run was about.
        outputs: What the graph gave, for exporters that keep content.
    """

    status: RunStatus
    wall_ms: float | None
    error: str | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)


class RunSink(Protocol):
    """Takes what there is to say of one run."""

    def steps(self, records: Sequence[StepRecord]) -> None:
        """Take the records that were made together: a settled window's, an effect's, the answer's.

        What a span waited for is in the same records or in earlier ones.
        """
        ...

    def end(self, end: RunEnd) -> None:
        """Take note that the run is over. Nothing follows."""
        ...


class Exporter(Protocol):
    """Sends runs somewhere. Its methods are called on the run's event loop: they must not wait."""

    def open(self, run: RunStart) -> RunSink:
        """Give the sink for a run that begins."""
        ...
