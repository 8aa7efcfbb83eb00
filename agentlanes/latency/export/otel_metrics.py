"""The metrics of runs, recorded with OpenTelemetry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.metrics import Counter, Histogram, Meter

from agentlanes.latency.export.exporter import RunEnd, RunStart
from agentlanes.latency.export.names import AGENT, ATTRIBUTES, CHAT, METRICS, TOOL
from agentlanes.latency.facts import asked_a_model, first_token_ms
from agentlanes.latency.record import StepRecord

__all__ = ["Attributes", "RunMetrics"]

Attributes = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Turns what is known, by full name, into the attributes that are sent."""


class RunMetrics:
    """Records every run of an exporter with the same instruments."""

    def __init__(self, meter: Meter, attributes: Attributes, rename: Mapping[str, str]) -> None:
        self._attributes = attributes
        self._histograms: dict[str, Histogram] = {}
        self._counters: dict[str, Counter] = {}
        for key, metric in METRICS.items():
            name = rename.get(metric.name, metric.name)
            if metric.kind == "counter":
                self._counters[key] = meter.create_counter(name, metric.unit, metric.description)
            else:
                self._histograms[key] = meter.create_histogram(
                    name,
                    metric.unit,
                    metric.description,
                    explicit_bucket_boundaries_advisory=metric.bounds,
                )

    def step(self, record: StepRecord) -> None:
        """Record what a step record says. What it does not know is not recorded, not even as 0."""
        about = {
            ATTRIBUTES["lane"]: record["lane"],
            ATTRIBUTES["node"]: record["node"],
            ATTRIBUTES["profile"]: record["profile"],
            ATTRIBUTES["outcome"]: record["outcome"],
        }
        sent = self._attributes(about)
        self._counters["steps"].add(1, sent)
        for key, ms in (
            ("wait", record["verdict_wait_ms"]),
            ("saved", record["overlap_saved_ms"]),
            ("wasted", record["wasted_ms"]),
            ("queue", record["queue_ms"]),
        ):
            if ms is not None:
                self._counters[key].add(max(0.0, ms) / 1000, sent)
        if asked_a_model(record):
            self._call(record, about)
        for span in record.get("spans") or ():
            if span["kind"] == "tool":
                named = {ATTRIBUTES["operation"]: TOOL, ATTRIBUTES["tool"]: span["name"]}
                took_s = (span["end_ms"] - span["start_ms"]) / 1000
                outcome = {ATTRIBUTES["outcome"]: span["outcome"]}
                self._histograms["tool"].record(took_s, self._attributes({**named, **outcome}))

    def end(self, run: RunStart, end: RunEnd) -> None:
        """Record how long the run took."""
        if end.wall_ms is None:
            return
        about = {
            ATTRIBUTES["operation"]: AGENT,
            ATTRIBUTES["agent"]: run.graph,
            ATTRIBUTES["status"]: end.status,
            ATTRIBUTES["error"]: end.error,
        }
        self._histograms["run"].record(end.wall_ms / 1000, self._attributes(about))

    def _call(self, record: StepRecord, about: Mapping[str, Any]) -> None:
        named = {ATTRIBUTES["operation"]: CHAT, ATTRIBUTES["model"]: record["model"]}
        sent = self._attributes({**about, **named})
        for key, ms in (
            ("duration", record["duration_ms"]),
            ("first_token", first_token_ms(record)),
        ):
            if ms is not None:
                self._histograms[key].record(ms / 1000, sent)
        tokens = record["tokens"]
        for kind, count in (("input", tokens["input"]), ("output", tokens["output"])):
            if count is not None:
                typed = {**about, **named, ATTRIBUTES["token_type"]: kind}
                self._histograms["tokens"].record(count, self._attributes(typed))
        for key, count in (("cached", tokens["cached"]), ("reasoning", tokens["reasoning"])):
            if count is not None:
                self._counters[key].add(count, sent)
