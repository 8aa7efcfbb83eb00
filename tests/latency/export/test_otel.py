from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from agentlanes.latency.export import RunEnd, RunStart, observe, replay
from agentlanes.latency.export.files import JsonLines
from agentlanes.latency.export.names import ATTRIBUTES, METRICS
from agentlanes.latency.export.otel import OpenTelemetry
from agentlanes.latency.jsonl import read_runs
from agentlanes.latency.record import blank_record
from tests.latency.export.served import ASK, served_agent

START = RunStart(run_id="r1", graph="g", started=datetime(2026, 1, 1, tzinfo=UTC))


class Spans:
    """What a tracer provider's exporter was given, by agentlanes' own span ids."""

    def __init__(self) -> None:
        self._kept = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._kept))

    @property
    def all(self) -> list[ReadableSpan]:
        return list(self._kept.get_finished_spans())

    @property
    def by_id(self) -> dict[str, ReadableSpan]:
        named = ((about(span).get("agentlanes.span.id"), span) for span in self.all)
        return {str(name): span for name, span in named if name is not None}

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all if span.name == name]


def about(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def above(span: ReadableSpan, among: Spans) -> ReadableSpan | None:
    parent = span.parent.span_id if span.parent else None
    return next((s for s in among.all if s.context and s.context.span_id == parent), None)


async def test_a_run_is_a_trace_with_the_times_and_links_of_its_records() -> None:
    spans = Spans()
    with served_agent() as agent:
        result = await observe(agent, OpenTelemetry(tracer_provider=spans.provider)).ainvoke(ASK)
    (root,) = spans.named("invoke_agent served")
    assert root.parent is None
    assert {span.context.trace_id for span in spans.all if span.context} == {
        root.context.trace_id if root.context else 0
    }
    step_spans = {s["id"]: s for record in result["steps"] for s in record["spans"]}
    assert set(spans.by_id) == set(step_spans)
    assert root.start_time is not None
    assert root.end_time is not None
    for name, span in spans.by_id.items():
        told = step_spans[name]
        assert span.start_time == root.start_time + round(told["start_ms"] * 1e6)
        assert span.end_time == root.start_time + round(told["end_ms"] * 1e6)
        assert span.end_time <= root.end_time
        linked = {link.context.span_id for link in span.links}
        assert linked == {
            c.span_id for other in told["after"] if (c := spans.by_id[other].context) is not None
        }
        home = above(span, spans)
        assert home is not None
        if told["kind"] in ("queue", "retry"):
            assert about(home)["agentlanes.span.id"] == name.rpartition(".")[0]
        else:
            assert home.name == f"window {about(span)['agentlanes.window']}"
            assert above(home, spans) is root
            assert home.start_time is not None
            assert home.end_time is not None
            assert home.start_time <= span.start_time <= span.end_time <= home.end_time
    assert any(about(span)["agentlanes.outcome"] == "discarded" for span in spans.by_id.values())


async def test_spans_follow_the_conventions_and_hold_no_content() -> None:
    spans = Spans()
    exporter = OpenTelemetry(tracer_provider=spans.provider, provider={"reason": "deepseek"})
    with served_agent() as agent:
        await observe(agent, exporter).ainvoke(ASK)
    call, judged, tool = (spans.by_id[name] for name in ("w0.draft0", "w0.p0.verdict", "e0"))
    assert (call.name, call.kind) == ("chat qwen2.5-0.5b", SpanKind.CLIENT)
    said = about(call)
    assert said["gen_ai.operation.name"] == "chat"
    assert said["gen_ai.provider.name"] == "openai"
    assert about(judged)["gen_ai.provider.name"] == "deepseek"
    assert said["gen_ai.response.model"] == "qwen2.5-0.5b"
    assert said["openai.response.service_tier"] == "priority"
    assert said["gen_ai.usage.output_tokens"] == 7
    assert said["gen_ai.usage.cache_read.input_tokens"] == 40
    assert about(judged)["gen_ai.usage.reasoning.output_tokens"] == 20
    assert said["gen_ai.response.time_to_first_chunk"] > 0
    assert said["agentlanes.prefix.broke"] == "first"
    assert (tool.name, tool.kind) == ("execute_tool store", SpanKind.INTERNAL)
    assert about(tool)["gen_ai.tool.name"] == "store"
    told = repr([(span.name, about(span), span.events) for span in spans.all])
    for secret in ("secret", "approve", '"key"', "hm, hm"):
        assert secret not in told
    known = set(ATTRIBUTES.values())
    for span in spans.all:
        foreign = {key for key in about(span) if not key.startswith("agentlanes.")} - known
        assert foreign == set()


async def test_a_run_belongs_to_what_its_caller_traces() -> None:
    spans = Spans()
    tracer = spans.provider.get_tracer("caller")
    with served_agent() as agent, tracer.start_as_current_span("request") as request:
        await observe(agent, OpenTelemetry(tracer_provider=spans.provider)).ainvoke(ASK)
    (root,) = spans.named("invoke_agent served")
    assert root.parent is not None
    assert root.parent.span_id == request.get_span_context().span_id


async def test_a_resumed_run_is_placed_where_it_goes_on() -> None:
    spans = Spans()
    exporter = OpenTelemetry(tracer_provider=spans.provider)
    with served_agent(checkpointer=InMemorySaver(), approval={"write": "always"}) as agent:
        watched, config = observe(agent, exporter), {"configurable": {"thread_id": "t"}}
        await watched.ainvoke(ASK, config)
        await watched.ainvoke(Command(resume={"decisions": [{"type": "approve"}]}), config)
    first, second = spans.named("invoke_agent served")
    assert about(first)["agentlanes.run.status"] == "stopped"
    assert about(first)["gen_ai.conversation.id"] == about(second)["gen_ai.conversation.id"] == "t"
    effect = spans.by_id["e0"]
    assert effect.context is not None
    assert second.context is not None
    assert effect.context.trace_id == second.context.trace_id
    assert second.start_time is not None
    assert effect.start_time is not None
    assert effect.end_time is not None
    assert second.end_time is not None
    assert second.start_time <= effect.start_time <= effect.end_time <= second.end_time


def test_a_failed_run_says_so_by_type() -> None:
    spans = Spans()
    sink = OpenTelemetry(tracer_provider=spans.provider).open(START)
    sink.end(RunEnd(status="failed", wall_ms=3.0, error="CorrectionLimit"))
    (root,) = spans.all
    assert root.status.status_code is StatusCode.ERROR
    assert about(root)["error.type"] == "CorrectionLimit"
    assert root.end_time is not None
    assert root.start_time is not None
    assert root.end_time - root.start_time == 3_000_000


def test_names_can_be_others() -> None:
    spans, reader = Spans(), InMemoryMetricReader()
    exporter = OpenTelemetry(
        tracer_provider=spans.provider,
        meter_provider=MeterProvider([reader]),
        rename={"gen_ai.agent.name": "agent", "gen_ai.invoke_agent.duration": "run.duration"},
    )
    exporter.open(START).end(RunEnd(status="done", wall_ms=1.0))
    assert about(spans.all[0])["agent"] == "g"
    assert [metric.name for metric in metrics_of(reader)] == ["run.duration"]


def test_records_without_spans_count_and_draw_nothing() -> None:
    spans, reader = Spans(), InMemoryMetricReader()
    exporter = OpenTelemetry(tracer_provider=spans.provider, meter_provider=MeterProvider([reader]))
    sink = exporter.open(START)
    old = blank_record(version=1, step=0, window=0, node="act", lane="act", outcome="committed")
    sink.steps([{**old, "duration_ms": 20.0}])
    sink.end(RunEnd(status="done", wall_ms=None))
    assert [span.name for span in spans.all] == ["invoke_agent g"]
    named = {metric.name: metric for metric in metrics_of(reader)}
    (point,) = named["gen_ai.client.operation.duration"].data.data_points
    assert (point.sum, point.count) == (0.02, 1)
    assert "gen_ai.client.token.usage" not in named  # unknown, which is not 0


def test_queueing_and_retries_lie_inside_their_call() -> None:
    spans = Spans()
    sink = OpenTelemetry(tracer_provider=spans.provider).open(START)
    call: Any = {"id": "w0.draft0", "kind": "act", "name": "draft", "start_ms": 5.0, "end_ms": 9.0}
    call |= {"after": [], "outcome": "committed"}
    queue = {**call, "id": "w0.draft0.queue", "kind": "queue", "end_ms": 6.0}
    retry = {**call, "id": "w0.draft0.retry", "kind": "retry", "start_ms": 6.0, "end_ms": 7.5}
    known = {"step": 0, "window": 0, "node": "act", "lane": "act", "outcome": "committed"}
    sink.steps([blank_record(**known, spans=[call, queue, retry])])
    sink.end(RunEnd(status="done", wall_ms=10.0))
    for name in ("queue", "retry"):
        inner = spans.by_id[f"w0.draft0.{name}"]
        assert above(inner, spans) is spans.by_id["w0.draft0"]
        assert inner.name == f"{name} draft"


def test_histograms_have_the_buckets_of_the_conventions() -> None:
    reader = InMemoryMetricReader()
    exporter = OpenTelemetry(meter_provider=MeterProvider([reader]))
    record = blank_record(step=0, window=0, node="act", lane="act", outcome="committed")
    tokens: Any = {"input": 5, "output": 1, "reasoning": None, "cached": None}
    exporter.open(START).steps([{**record, "duration_ms": 20.0, "tokens": tokens}])
    named = {metric.name: metric for metric in metrics_of(reader)}
    times, counts = (named[METRICS[key].name].data.data_points[0] for key in ("duration", "tokens"))
    assert times.explicit_bounds[:3] == (0.01, 0.02, 0.04)
    assert times.explicit_bounds[-1] == 81.92
    assert counts.explicit_bounds == tuple(4**power for power in range(14))
    units = {metric.name: metric.unit for metric in named.values()}
    assert units["gen_ai.client.operation.duration"] == "s"


def metrics_of(reader: InMemoryMetricReader) -> list[Any]:
    data = reader.get_metrics_data()
    assert data is not None
    return [m for r in data.resource_metrics for scope in r.scope_metrics for m in scope.metrics]


class Collector:
    """What an OTLP collector on loopback has been sent, read back from the wire."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.metrics: list[Any] = []
        self.url = ""

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            traces = ExportTraceServiceRequest.FromString(body)
            self.spans += [
                span
                for resource in traces.resource_spans
                for scope in resource.scope_spans
                for span in scope.spans
            ]
        elif path == "/v1/metrics":
            sent = ExportMetricsServiceRequest.FromString(body)
            self.metrics += [
                metric
                for resource in sent.resource_metrics
                for scope in resource.scope_metrics
                for metric in scope.metrics
            ]


@contextmanager
def collector() -> Iterator[Collector]:
    taken = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            taken.take(self.path, body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    taken.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_files_reach_a_collector_over_the_wire(tmp_path: Path) -> None:
    with served_agent() as agent:
        await observe(agent, JsonLines(tmp_path)).ainvoke(ASK)
    runs = list(read_runs(tmp_path))
    with collector() as there:
        traces = TracerProvider()
        traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{there.url}/v1/traces")))
        sender = OTLPMetricExporter(f"{there.url}/v1/metrics")
        meters = MeterProvider([PeriodicExportingMetricReader(sender, 3_600_000)])
        assert replay(runs, OpenTelemetry(tracer_provider=traces, meter_provider=meters)) == 1
        traces.shutdown()
        meters.shutdown()
    told = [span for record in runs[0].steps for span in record["spans"]]
    windows = {record["window"] for record in runs[0].steps}
    assert len(there.spans) == len(told) + len(windows) + 1
    (root,) = [span for span in there.spans if not span.parent_span_id]
    assert root.name == "invoke_agent served"
    began = datetime.fromisoformat(runs[0].head["started"])
    assert root.start_time_unix_nano == round(began.timestamp() * 1e6) * 1000
    assert sum(len(span.links) for span in there.spans) == sum(len(s["after"]) for s in told)
    assert {metric.name for metric in there.metrics} <= {metric.name for metric in METRICS.values()}
    (steps,) = [metric for metric in there.metrics if metric.name == "agentlanes.steps"]
    assert sum(point.as_double or point.as_int for point in steps.sum.data_points) == len(
        runs[0].steps
    )


def test_the_table_of_names_gives_no_name_twice() -> None:
    names = [*ATTRIBUTES.values(), *(metric.name for metric in METRICS.values())]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("key", sorted(METRICS))
def test_every_metric_is_described(key: str) -> None:
    metric = METRICS[key]
    assert metric.description.endswith(".")
    assert metric.unit in ("s", "{token}", "{step}")
    assert bool(metric.bounds) == (metric.kind == "histogram")
