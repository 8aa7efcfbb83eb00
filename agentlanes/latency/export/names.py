"""What OpenTelemetry is told, by name: the one table to change when the conventions do.

`gen_ai.*`, `openai.*`, `error.type`: the semantic conventions for generative AI, which are in
development and have a repository of their own since mid-2026
(open-telemetry/semantic-conventions-genai; spans, agent spans and metrics as of November 2026).
Their Python constants are all marked deprecated for that move, so the names are written out here.
`agentlanes.*`: what has no name there; for spans these are the keys of the step record as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["AGENT", "ATTRIBUTES", "CHAT", "METRICS", "RECORD_KEYS", "TOOL", "Metric"]

CHAT, TOOL, AGENT = "chat", "execute_tool", "invoke_agent"
"""Values of `gen_ai.operation.name`; each also begins its spans' names."""

ATTRIBUTES: Mapping[str, str] = {
    "operation": "gen_ai.operation.name",
    "provider": "gen_ai.provider.name",
    "agent": "gen_ai.agent.name",
    "thread": "gen_ai.conversation.id",
    "model": "gen_ai.response.model",
    "tier": "openai.response.service_tier",
    "tool": "gen_ai.tool.name",
    "tool_type": "gen_ai.tool.type",
    "token_type": "gen_ai.token.type",
    "input": "gen_ai.usage.input_tokens",
    "output": "gen_ai.usage.output_tokens",
    "reasoning": "gen_ai.usage.reasoning.output_tokens",
    "cached": "gen_ai.usage.cache_read.input_tokens",
    "first_token_s": "gen_ai.response.time_to_first_chunk",
    "error": "error.type",
    "run": "agentlanes.run.id",
    "status": "agentlanes.run.status",
    "lane": "agentlanes.lane",
    "node": "agentlanes.node",
    "profile": "agentlanes.profile",
    "outcome": "agentlanes.outcome",
    "window": "agentlanes.window",
    "span": "agentlanes.span.id",
    "kind": "agentlanes.span.kind",
    "purpose": "agentlanes.span.name",
    "link": "agentlanes.link",
}
"""Attributes of spans and metrics, by what they are called in this package."""

RECORD_KEYS = (
    "step",
    "route_score",
    "route_reason",
    "queue_ms",
    "retry_ms",
    "first_reasoning_ms",
    "first_content_ms",
    "first_tool_arg_ms",
    "duration_ms",
    "tool_ms",
    "verdict_wait_ms",
    "overlap_saved_ms",
    "wasted_ms",
    "attempts",
    "target_met",
    "metric_name",
    "metric_value",
)
"""Keys of a step record that are attributes of its span as they are, after `agentlanes.`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric.

    Attributes:
        name: What it is called.
        kind: A `histogram`, or a `counter` that only grows.
        unit: In UCUM: seconds and counts.
        description: What it says.
        bounds: Upper bounds of a histogram's buckets.
    """

    name: str
    kind: Literal["histogram", "counter"]
    unit: str
    description: str
    bounds: tuple[float, ...] = ()


_TIMES_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_LONG_S = (*_TIMES_S[3:], 163.84, 327.68, 655.36)
_COUNTS = tuple(float(4**power) for power in range(14))


def _counter(name: str, unit: str, description: str) -> Metric:
    return Metric(name=name, kind="counter", unit=unit, description=description)


def _times(name: str, description: str, bounds: tuple[float, ...] = _TIMES_S) -> Metric:
    return Metric(name=name, kind="histogram", unit="s", description=description, bounds=bounds)


METRICS: Mapping[str, Metric] = {
    "tokens": Metric(
        name="gen_ai.client.token.usage",
        kind="histogram",
        unit="{token}",
        description="Input and output tokens of a lane call.",
        bounds=_COUNTS,
    ),
    "duration": _times(
        "gen_ai.client.operation.duration", "A lane call, from the call to the end of the reply."
    ),
    "first_token": _times(
        "gen_ai.client.operation.time_to_first_chunk",
        "From a lane call to its first token: of reasoning, content or a tool call's arguments.",
    ),
    "tool": _times("gen_ai.execute_tool.duration", "A tool run, ahead of its verdict or after it."),
    "run": _times("gen_ai.invoke_agent.duration", "A run, from its start to its end.", _LONG_S),
    "steps": _counter("agentlanes.steps", "{step}", "Step records."),
    "wait": _counter("agentlanes.verdict_wait", "s", "Idle time in which only a verdict was out."),
    "saved": _counter(
        "agentlanes.overlap_saved", "s", "Committed work that ran while its verdict was out."
    ),
    "wasted": _counter("agentlanes.wasted", "s", "Work that was thrown away."),
    "queue": _counter("agentlanes.queue", "s", "Waiting for a place in a lane."),
    "cached": _counter("agentlanes.tokens.cached", "{token}", "Input tokens from a cache."),
    "reasoning": _counter(
        "agentlanes.tokens.reasoning", "{token}", "Output tokens that were reasoning."
    ),
}
"""Metrics, by what they are called in this package. Buckets are those of the conventions."""
