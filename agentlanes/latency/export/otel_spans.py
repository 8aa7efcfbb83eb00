"""The trace of one run, made with OpenTelemetry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import (
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    set_span_in_context,
)

from agentlanes.latency.export.exporter import RunEnd, RunStart
from agentlanes.latency.export.names import AGENT, ATTRIBUTES, CHAT, RECORD_KEYS, TOOL
from agentlanes.latency.export.otel_metrics import Attributes
from agentlanes.latency.facts import asked_a_model, first_token_ms
from agentlanes.latency.record import StepRecord
from agentlanes.latency.spans import Span as StepSpan
from agentlanes.latency.spans import parent_id

__all__ = ["RunSpans"]

_CALLS = ("act", "reason")


class RunSpans:
    """One run's spans.

    A window's span stays open until the next window's records come, since its effect is recorded
    after it is settled; everything below it is ended when it is made.
    """

    def __init__(self, tracer: Tracer, run: RunStart, attributes: Attributes) -> None:
        self._tracer, self._run, self._attributes = tracer, run, attributes
        self._origin_ns = self._began_ns = int(run.started.timestamp() * 1_000_000) * 1000
        about = {
            ATTRIBUTES["operation"]: AGENT,
            ATTRIBUTES["agent"]: run.graph,
            ATTRIBUTES["run"]: run.run_id,
            ATTRIBUTES["thread"]: run.thread,
        }
        self._root = tracer.start_span(
            f"{AGENT} {run.graph}" if run.graph else AGENT,
            # A run that goes on now belongs to whatever its caller is tracing; a told one does not.
            context=None if run.live else Context(),
            kind=SpanKind.INTERNAL,
            attributes=attributes(about),
            start_time=self._began_ns,
        )
        self._window: tuple[int, Span] | None = None
        self._window_end_ns = 0
        self._made: dict[str, SpanContext] = {}

    def place(self, origin_ns: int) -> None:
        """Say when the run's clock was at 0, where that is not the start of the trace."""
        self._origin_ns = origin_ns

    def steps(self, records: Sequence[StepRecord]) -> None:
        """Make the spans of records that were made together."""
        open_: list[tuple[StepSpan, Span]] = []
        spans: dict[str, Span] = {}
        for record in records:
            for number, step_span in enumerate(record.get("spans") or ()):
                above = parent_id(step_span)
                home = spans[above] if above in spans else self._window_of(record, records)
                made = self._start(step_span, record, home, first=number == 0)
                spans[step_span["id"]] = made
                self._made[step_span["id"]] = made.get_span_context()
                open_.append((step_span, made))
        for step_span, made in open_:
            for waited in step_span["after"]:
                if waited in self._made:
                    made.add_link(self._made[waited], {ATTRIBUTES["link"]: "after"})
            end_ns = self._at_ns(step_span["end_ms"])
            made.end(end_ns)
            self._window_end_ns = max(self._window_end_ns, end_ns)

    def end(self, end: RunEnd) -> None:
        """End the trace."""
        self._close_window()
        self._root.set_attributes(self._attributes({ATTRIBUTES["status"]: end.status}))
        if end.error is not None:
            self._root.set_attributes(self._attributes({ATTRIBUTES["error"]: end.error}))
            self._root.set_status(Status(StatusCode.ERROR, end.error))
        took = end.wall_ms
        self._root.end(None if took is None else self._began_ns + round(took * 1e6))

    def _window_of(self, record: StepRecord, together: Sequence[StepRecord]) -> Span:
        number = record["window"]
        if self._window is None or self._window[0] != number:
            self._close_window()
            began = min(
                span["start_ms"]
                for other in together
                if other["window"] == number
                for span in other.get("spans") or ()
            )
            span = self._tracer.start_span(
                f"window {number}",
                context=set_span_in_context(self._root),
                attributes=self._attributes({ATTRIBUTES["window"]: number}),
                start_time=self._at_ns(began),
            )
            self._window = number, span
        return self._window[1]

    def _close_window(self) -> None:
        if self._window is not None:
            self._window[1].end(self._window_end_ns)
        self._window, self._window_end_ns = None, 0

    def _start(self, span: StepSpan, record: StepRecord, home: Span, *, first: bool) -> Span:
        about: dict[str, Any] = {
            ATTRIBUTES["span"]: span["id"],
            ATTRIBUTES["kind"]: span["kind"],
            ATTRIBUTES["purpose"]: span["name"],
            ATTRIBUTES["node"]: record["node"],
            ATTRIBUTES["lane"]: record["lane"],
            ATTRIBUTES["profile"]: record["profile"],
            ATTRIBUTES["window"]: record["window"],
            ATTRIBUTES["outcome"]: span["outcome"],
        }
        name, kind = f"{span['kind']} {span['name']}", SpanKind.INTERNAL
        if span["kind"] == "tool":
            name = f"{TOOL} {span['name']}"
            about[ATTRIBUTES["operation"]] = TOOL
            about[ATTRIBUTES["tool"]] = span["name"]
            about[ATTRIBUTES["tool_type"]] = "function"
        elif span["kind"] in _CALLS and asked_a_model(record):
            name, kind = f"{CHAT} {record['model'] or ''}".rstrip(), SpanKind.CLIENT
            about.update(_call(record))
        if first:  # a record's figures are on its first span, once
            flat: Mapping[str, Any] = record
            about.update({f"agentlanes.{key}": flat.get(key) for key in RECORD_KEYS})
            prefix: Mapping[str, Any] = record.get("prefix") or {}
            about.update({f"agentlanes.prefix.{key}": value for key, value in prefix.items()})
        return self._tracer.start_span(
            name,
            context=set_span_in_context(home),
            kind=kind,
            attributes=self._attributes(about),
            start_time=self._at_ns(span["start_ms"]),
        )

    def _at_ns(self, ms: float) -> int:
        return self._origin_ns + round(ms * 1e6)


def _call(record: StepRecord) -> Mapping[str, Any]:
    first_ms, tokens = first_token_ms(record), record["tokens"]
    return {
        ATTRIBUTES["operation"]: CHAT,
        ATTRIBUTES["model"]: record["model"],
        ATTRIBUTES["tier"]: record["tier"],
        ATTRIBUTES["first_token_s"]: None if first_ms is None else first_ms / 1000,
        **{ATTRIBUTES[key]: tokens[key] for key in ("input", "output", "reasoning", "cached")},
    }
