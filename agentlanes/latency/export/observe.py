"""`observe`: send every run of an agent to exporters while it goes."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langgraph.errors import GraphBubbleUp
from langgraph.graph.state import CompiledStateGraph

from agentlanes.latency.export.exporter import EventSink, Exporter, RunEnd, RunSink, RunStart
from agentlanes.latency.export.proposals import (
    judged_events,
    proposed_events,
    settled_events,
)
from agentlanes.latency.jsonl import RunStatus
from agentlanes.latency.record import StepRecord

__all__ = ["observe"]

_log = logging.getLogger(__name__)

AgentT = TypeVar("AgentT", bound="CompiledStateGraph[Any, Any, Any, Any]")


def observe(agent: AgentT, *exporters: Exporter) -> AgentT:
    """Give the agent again, with its runs sent to exporters.

    However it is run: `ainvoke`, `astream`, `astream_events`, as a node of another graph, by a
    server. Records leave when their window is settled, so a run can be watched while it goes. An
    exporter that fails is a warning in the log and never ends a run.

    A run that stops to ask a person and is resumed is two runs to an exporter, on one thread.
    Where a graph above runs an agent several times, it is the agent that is to be observed.

    Args:
        agent: What `build_agent` gives, or a graph of your own made of its nodes.
        exporters: Where to.

    Example:
        >>> from agentlanes import Lane, build_agent
        >>> from agentlanes.latency.export.files import JsonLines
        >>> here = {"base_url": "http://127.0.0.1:8080/v1"}
        >>> agent = build_agent(Lane("fast", **here), Lane("deep", **here))
        >>> agent = observe(agent, JsonLines("runs"))
    """
    # As callbacks: langgraph tells them of every node, whichever way the graph is run.
    return agent.with_config(callbacks=[_Watch(exporters)])


@dataclass(slots=True)
class _Run:
    sinks: list[RunSink]
    began: float
    asks: bool = False
    latest: int = -1
    steps_before: dict[UUID, int] = field(default_factory=dict)
    proposals: dict[int, int] = field(default_factory=dict)


class _Watch(BaseCallbackHandler):
    """Reads step records off what the nodes of a run were given and what they gave."""

    run_inline = True  # in order, on the run's own event loop

    def __init__(self, exporters: tuple[Exporter, ...]) -> None:
        self._exporters = exporters
        self._runs: dict[UUID, _Run] = {}
        self._inside: dict[UUID, _Run] = {}
        """What goes on inside an observed run, other than model calls, with that run."""

    def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Take note of a run, or of a node of one."""
        facts, name = metadata or {}, kwargs.get("name")
        run = self._inside.get(parent_run_id) if parent_run_id is not None else None
        if run is None:
            self._inside[run_id] = self._runs[run_id] = self._open(run_id, name, inputs, facts)
            return
        self._inside[run_id] = run
        is_node = parent_run_id in self._runs and facts.get("langgraph_node") == name
        if is_node and isinstance(inputs, Mapping):
            run.steps_before[run_id] = len(inputs.get("steps") or ())

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Hand on a node's new records, or the run's end."""
        run, given = self._inside.pop(run_id, None), outputs if isinstance(outputs, Mapping) else {}
        if run_id in self._runs:
            asks = self._runs[run_id].asks
            self._end(run_id, "stopped" if asks else "done", outputs=given)
        elif run is not None and run_id in run.steps_before:
            before, wrote = run.steps_before.pop(run_id), given.get("steps")
            # A node writes its new records, or all of them where the state does not add them up.
            made = [r for r in wrote if r["step"] >= before] if isinstance(wrote, list) else []
            if not made or _goes_on(run, made):
                self._tell(run, given, made)
                for sink in run.sinks if made else ():
                    _safely(sink.steps, made)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Hand on how a run failed."""
        run = self._inside.pop(run_id, None)
        if run_id in self._runs:
            status: RunStatus = "failed" if isinstance(error, Exception) else "stopped"
            self._end(run_id, status, error=type(error).__name__)
        elif run is not None:
            run.steps_before.pop(run_id, None)
            run.asks = run.asks or isinstance(error, GraphBubbleUp)

    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Take note that what a tool starts is no run of its own."""
        run = self._inside.get(parent_run_id) if parent_run_id is not None else None
        if run is not None:
            self._inside[run_id] = run

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget the tool."""
        self._inside.pop(run_id, None)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget the tool."""
        self._inside.pop(run_id, None)

    def _tell(self, run: _Run, wrote: Mapping[str, Any], made: list[StepRecord]) -> None:
        """Tell the sinks that want to know what was proposed, judged and settled."""
        listening = [sink for sink in run.sinks if isinstance(sink, EventSink)]
        if not listening:
            return
        events: list[dict[str, Any]] = []
        if isinstance(proposed := wrote.get("proposed"), Mapping):
            run.proposals[proposed["window"]] = len(proposed["proposals"])
            events += proposed_events(proposed)
        if isinstance(judged := wrote.get("judged"), Mapping):
            events += judged_events(judged)
        events += settled_events(made, run.proposals)
        for event in events:
            if event["type"] == "agentlanes.settled":
                del run.proposals[event["window"]]
        for sink in listening if events else ():
            _safely(sink.events, events)

    def _open(self, run_id: UUID, name: str | None, inputs: Any, facts: Mapping[str, Any]) -> _Run:
        thread = facts.get("thread_id")
        start = RunStart(
            run_id=str(run_id),
            graph=name,
            started=datetime.now(UTC),
            thread=str(thread) if thread is not None else None,
            resumed=not (isinstance(inputs, Mapping) and "messages" in inputs),
        )
        sinks = [sink for each in self._exporters if (sink := _opened(each, start)) is not None]
        return _Run(sinks=sinks, began=time.monotonic())

    def _end(self, run_id: UUID, status: RunStatus, **known: Any) -> None:
        run = self._runs.pop(run_id)
        wall_ms = round((time.monotonic() - run.began) * 1000, 3)
        for left in [inner for inner, owner in self._inside.items() if owner is run]:
            del self._inside[left]  # langgraph tells nothing of the end of what it cancels
        for sink in run.sinks:
            _safely(sink.end, RunEnd(status=status, wall_ms=wall_ms, **known))


def _goes_on(run: _Run, made: list[StepRecord]) -> bool:
    """Say whether records are of the run that the exporters have been told of until now."""
    if made[0]["step"] <= run.latest:
        _log.warning(
            "a graph runs agents several times, and exporters are told of the first run alone; "
            "observe(agent, ...) each agent before it is made a node, in place of that graph"
        )
        return False
    run.latest = made[-1]["step"]
    return True


def _opened(exporter: Exporter, start: RunStart) -> RunSink | None:
    try:
        return exporter.open(start)
    except Exception:
        _log.warning("an exporter did not take a run", exc_info=True)
        return None


def _safely(method: Any, *args: Any) -> None:
    try:
        method(*args)
    except Exception:
        _log.warning("an exporter did not take all of a run", exc_info=True)
