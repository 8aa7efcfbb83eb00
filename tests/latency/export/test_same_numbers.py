"""One run, told by every exporter: the numbers are the same everywhere."""

from __future__ import annotations

import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from agentlanes.latency.export import observe
from agentlanes.latency.export.files import JsonLines
from agentlanes.latency.export.frames import to_frames
from agentlanes.latency.export.otel import OpenTelemetry
from agentlanes.latency.jsonl import read_runs
from agentlanes.latency.langsmith import STEP_KEY, flush
from agentlanes.latency.record import StepRecord
from tests.latency.export.served import ASK, served_agent
from tests.latency.ingest import Ingest

Numbers = dict[str, float]

PROMETHEUS = {
    "calls": "gen_ai_client_operation_duration_seconds_count",
    "call_s": "gen_ai_client_operation_duration_seconds_sum",
    "input": "gen_ai_client_token_usage_sum",
    "output": "gen_ai_client_token_usage_sum",
    "cached": "agentlanes_tokens_cached_total",
    "reasoning": "agentlanes_tokens_reasoning_total",
    "tools": "gen_ai_execute_tool_duration_seconds_count",
    "tool_s": "gen_ai_execute_tool_duration_seconds_sum",
    "wait_s": "agentlanes_verdict_wait_seconds_total",
    "saved_s": "agentlanes_overlap_saved_seconds_total",
    "wasted_s": "agentlanes_wasted_seconds_total",
    "steps": "agentlanes_steps_total",
    "discarded": "agentlanes_steps_total",
}
ONLY = {
    "input": ("gen_ai_token_type", "input"),
    "output": ("gen_ai_token_type", "output"),
    "discarded": ("agentlanes_outcome", "discarded"),
}


def of_records(records: list[StepRecord]) -> Numbers:
    """The numbers, straight from step records."""
    asked = [record for record in records if record["lane"] and record["attempts"] != 0]
    calls = [record for record in asked if record["duration_ms"] is not None]
    tools = [span for record in records for span in record["spans"] if span["kind"] == "tool"]

    def total(key: str) -> float:
        rows: list[Any] = list(records)
        return sum(row[key] or 0.0 for row in rows) / 1000

    return {
        "steps": len(records),
        "discarded": sum(record["outcome"] == "discarded" for record in records),
        "calls": len(calls),
        "call_s": sum(record["duration_ms"] or 0.0 for record in calls) / 1000,
        "input": sum(record["tokens"]["input"] or 0 for record in calls),
        "output": sum(record["tokens"]["output"] or 0 for record in calls),
        "cached": sum(record["tokens"]["cached"] or 0 for record in calls),
        "reasoning": sum(record["tokens"]["reasoning"] or 0 for record in calls),
        "tools": len(tools),
        "tool_s": sum(span["end_ms"] - span["start_ms"] for span in tools) / 1000,
        "wait_s": total("verdict_wait_ms"),
        "saved_s": total("overlap_saved_ms"),
        "wasted_s": total("wasted_ms"),
    }


def of_spans(kept: InMemorySpanExporter) -> Numbers:
    """The same numbers from OpenTelemetry spans."""
    spans = [(span, dict(span.attributes or {})) for span in kept.get_finished_spans()]
    firsts = [said for _, said in spans if "agentlanes.step" in said]
    asked = [said for _, said in spans if said.get("gen_ai.operation.name") == "chat"]
    calls = [said for said in asked if "agentlanes.duration_ms" in said]
    tools = [s for s, said in spans if said.get("gen_ai.operation.name") == "execute_tool"]

    def total(key: str, among: list[Any]) -> float:
        return sum(said.get(key, 0.0) for said in among)

    return {
        "steps": len(firsts),
        "discarded": sum(said["agentlanes.outcome"] == "discarded" for said in firsts),
        "calls": len(calls),
        "call_s": total("agentlanes.duration_ms", calls) / 1000,
        "input": total("gen_ai.usage.input_tokens", calls),
        "output": total("gen_ai.usage.output_tokens", calls),
        "cached": total("gen_ai.usage.cache_read.input_tokens", calls),
        "reasoning": total("gen_ai.usage.reasoning.output_tokens", calls),
        "tools": len(tools),
        "tool_s": sum((s.end_time or 0) - (s.start_time or 0) for s in tools) / 1e9,
        "wait_s": total("agentlanes.verdict_wait_ms", firsts) / 1000,
        "saved_s": total("agentlanes.overlap_saved_ms", firsts) / 1000,
        "wasted_s": total("agentlanes.wasted_ms", firsts) / 1000,
    }


def of_metrics(reader: InMemoryMetricReader) -> Numbers:
    """The same numbers from OpenTelemetry metrics, under their names in Prometheus."""
    data = reader.get_metrics_data()
    assert data is not None
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                name = metric.name.replace(".", "_") + ("_seconds" if metric.unit == "s" else "")
                for point in metric.data.data_points:
                    said = {
                        k.replace(".", "_"): str(v) for k, v in (point.attributes or {}).items()
                    }
                    told: Any = point
                    if hasattr(point, "value"):
                        found.setdefault(f"{name}_total", []).append((said, told.value))
                    else:
                        found.setdefault(f"{name}_sum", []).append((said, told.sum))
                        found.setdefault(f"{name}_count", []).append((said, told.count))
    return _added(found)


def of_scrape(text: str) -> Numbers:
    """The same numbers from what Prometheus is told."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return _added(found)


def scrape(registry: CollectorRegistry) -> str:
    """Read the metrics as Prometheus does, over HTTP."""
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as reply:
            text: str = reply.read().decode()
            return text
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def of_frames(records: list[StepRecord]) -> Numbers:
    """The same numbers from pandas."""
    steps, spans = to_frames(records)
    asked = steps[steps["lane"].notna() & (steps["attempts"].fillna(1) != 0)]
    calls = asked[asked["duration_ms"].notna()]
    tools = spans[spans["kind"] == "tool"]
    numbers = {
        "steps": len(steps),
        "discarded": (steps["outcome"] == "discarded").sum(),
        "calls": len(calls),
        "call_s": calls["duration_ms"].sum() / 1000,
        **{key: calls[f"tokens_{key}"].sum() for key in ("input", "output", "cached", "reasoning")},
        "tools": len(tools),
        "tool_s": tools["duration_ms"].sum() / 1000,
        "wait_s": steps["verdict_wait_ms"].sum() / 1000,
        "saved_s": steps["overlap_saved_ms"].sum() / 1000,
        "wasted_s": steps["wasted_ms"].sum() / 1000,
    }
    return {key: float(value) for key, value in numbers.items()}


def _added(found: dict[str, list[tuple[dict[str, str], float]]]) -> Numbers:
    numbers: Counter[str] = Counter()
    for key, name in PROMETHEUS.items():
        label, value = ONLY.get(key, ("", ""))
        numbers[key] += sum(
            number for said, number in found[name] if not label or said.get(label) == value
        )
    return dict(numbers)


async def test_the_same_run_has_the_same_numbers_everywhere(tmp_path: Path, ingest: Ingest) -> None:
    kept, traces = InMemorySpanExporter(), TracerProvider()
    traces.add_span_processor(SimpleSpanProcessor(kept))
    reader, registry = InMemoryMetricReader(), CollectorRegistry()
    meters = MeterProvider([reader, PrometheusMetricReader(registry=registry)])
    otel = OpenTelemetry(tracer_provider=traces, meter_provider=meters)
    with served_agent() as agent:
        result = await observe(agent, JsonLines(tmp_path), otel).ainvoke(ASK)
    assert flush(20)

    state: list[StepRecord] = result["steps"]
    (run,) = read_runs(tmp_path)
    assert run.steps == state
    in_langsmith = [
        found["extra"]["metadata"][STEP_KEY]
        for found in ingest.runs.values()
        if STEP_KEY in (found.get("extra") or {}).get("metadata", {})
    ]
    assert sorted(in_langsmith, key=lambda record: record["step"]) == state

    wanted = of_records(state)
    assert min(wanted.values()) > 0, f"the run says nothing of something: {wanted}"
    assert of_frames(run.steps) == pytest.approx(wanted)
    assert of_spans(kept) == pytest.approx(wanted)
    assert of_metrics(reader) == pytest.approx(wanted)

    text = scrape(registry)
    assert of_scrape(text) == pytest.approx(wanted)

    (root,) = [span for span in kept.get_finished_spans() if span.parent is None]
    assert root.start_time is not None
    assert root.end_time is not None
    assert run.result is not None
    assert (root.end_time - root.start_time) / 1e6 == pytest.approx(run.result["wall_ms"])
    wall = 'gen_ai_invoke_agent_duration_seconds_sum{agentlanes_run_status="done"'
    (line,) = [line for line in text.splitlines() if line.startswith(wall)]
    assert float(line.rpartition(" ")[2]) * 1000 == pytest.approx(run.result["wall_ms"])
