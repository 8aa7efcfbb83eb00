"""Runs as OpenTelemetry traces and metrics. Needs `pip install 'agentlanes[otel]'`.

A run is a trace: `invoke_agent <graph>`, below it a span a window, and below that what went on in
it, with the times it really had: lane calls (`chat <model>`), tools (`execute_tool <tool>`), waits,
queueing and retries inside their call, undos and people. Each is linked to the spans it waited for,
so the critical path can be followed. The metrics are made from the same records, in seconds and
tokens, so a sum over a counter is the sum over the records. All names: `export/names.py`.

No content leaves: no prompt, argument, result or answer, and of an error its type alone. Names of
tools and models, and why the router chose, do.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from agentlanes import __version__
from agentlanes.errors import MissingExtra
from agentlanes.latency.export.exporter import RunEnd, RunStart
from agentlanes.latency.record import StepRecord

try:
    from opentelemetry import metrics, trace

    from agentlanes.latency.export.otel_metrics import RunMetrics
    from agentlanes.latency.export.otel_spans import RunSpans
except ImportError as missing:
    raise MissingExtra("agentlanes.latency.export.otel", "otel") from missing

__all__ = ["OpenTelemetry"]

_SCOPE = "agentlanes"


class OpenTelemetry:
    """Sends runs to OpenTelemetry providers: traces, metrics, or both.

    Which exporter they then go to is the providers' business: OTLP, Prometheus, the console. It
    creates no provider and sets none, and with OpenTelemetry's no-op providers costs next to
    nothing.

    Args:
        tracer_provider: For the spans; the process's own by default.
        meter_provider: For the metrics; the process's own by default.
        provider: `gen_ai.provider.name` of both lanes, or of each. The default is what the lane
            client speaks, the OpenAI protocol; that it may be another's endpoint shows in the
            model's name.
        rename: Other names for attributes and metrics, by the name they have in `names.py`, for a
            backend that knows an older or newer version of the conventions.

    Example:
        >>> from opentelemetry.sdk.trace import TracerProvider
        >>> from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        >>> from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        >>> kept, traces = InMemorySpanExporter(), TracerProvider()
        >>> traces.add_span_processor(SimpleSpanProcessor(kept))
        >>> exporter = OpenTelemetry(tracer_provider=traces)
        >>> from datetime import UTC, datetime
        >>> start = RunStart(run_id="r1", graph="assistant", started=datetime.now(UTC))
        >>> exporter.open(start).end(RunEnd(status="done", wall_ms=12.5))
        >>> [span.name for span in kept.get_finished_spans()]
        ['invoke_agent assistant']
    """

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        provider: str | Mapping[str, str] = "openai",
        rename: Mapping[str, str] | None = None,
    ) -> None:
        self._tracer = trace.get_tracer(_SCOPE, __version__, tracer_provider)
        meter = metrics.get_meter(_SCOPE, __version__, meter_provider)
        self._provider, self._rename = provider, dict(rename or {})
        self._metrics = RunMetrics(meter, self._attributes, self._rename)

    def open(self, run: RunStart) -> _Sink:
        """Begin the run's trace."""
        spans = RunSpans(self._tracer, run, self._attributes)
        return _Sink(spans, self._metrics, run)

    def _attributes(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """Drop what is unknown, say who provides a lane, and rename what is to be renamed."""
        found = {key: value for key, value in known.items() if value is not None}
        lane = found.get("agentlanes.lane")
        if found.get("gen_ai.operation.name") == "chat":
            one = self._provider
            named = one if isinstance(one, str) else one.get(str(lane), "openai")
            found["gen_ai.provider.name"] = named
        return {self._rename.get(key, key): value for key, value in found.items()}


class _Sink:
    def __init__(self, spans: RunSpans, metrics_: RunMetrics, run: RunStart) -> None:
        self._spans, self._metrics, self._run = spans, metrics_, run
        self._placed = not run.resumed

    def steps(self, records: Sequence[StepRecord]) -> None:
        if not self._placed:
            self._spans.place(_origin_ns(self._run, records))
            self._placed = True
        for record in records:
            self._metrics.step(record)
        self._spans.steps(records)

    def end(self, end: RunEnd) -> None:
        self._metrics.end(self._run, end)
        self._spans.end(end)


def _origin_ns(run: RunStart, records: Sequence[StepRecord]) -> int:
    """Say when a resumed run's clock was at 0: it began in an earlier invocation."""
    spans = [span for record in records for span in record.get("spans") or ()]
    if not spans:
        return int(run.started.timestamp() * 1e9)
    if run.live:  # its last span has only just ended
        return time.time_ns() - round(max(span["end_ms"] for span in spans) * 1e6)
    began = min(span["start_ms"] for span in spans)
    return int(run.started.timestamp() * 1e9) - round(began * 1e6)
