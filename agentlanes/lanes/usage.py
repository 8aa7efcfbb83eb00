"""What an endpoint reports of a reply besides the reply: tokens, and its own measurements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata

__all__ = ["REPORTS", "read_reports", "read_usage", "reported_queue_ms"]

REPORTS = ("timings", "metrics")
"""Where servers put measurements of their own: llama.cpp `timings`, vLLM `metrics`."""


def read_usage(usage: object) -> UsageMetadata | None:
    """Read the token counts of a reply; what is not reported stays out.

    Chat Completions and the Responses API name the same counts differently; both are read.

    Example:
        >>> read_usage({"prompt_tokens": 5, "completion_tokens": 2})
        {'input_tokens': 5, 'output_tokens': 2, 'total_tokens': 7}
        >>> read_usage({"input_tokens": 5, "output_tokens": 2})
        {'input_tokens': 5, 'output_tokens': 2, 'total_tokens': 7}
    """
    if not isinstance(usage, Mapping):
        return None
    sent = _count(usage, "prompt_tokens", "input_tokens")
    made = _count(usage, "completion_tokens", "output_tokens")
    if sent is None and made is None:
        return None
    total = _count(usage, "total_tokens")
    read = UsageMetadata(
        input_tokens=sent or 0,
        output_tokens=made or 0,
        total_tokens=(sent or 0) + (made or 0) if total is None else total,
    )
    inputs = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    outputs = usage.get("completion_tokens_details") or usage.get("output_tokens_details")
    cached, written = _count(inputs, "cached_tokens"), _count(inputs, "cache_write_tokens")
    if cached is not None or written is not None:
        details = InputTokenDetails()
        if cached is not None:
            details["cache_read"] = cached
        if written is not None:
            details["cache_creation"] = written
        read["input_token_details"] = details
    reasoning = _count(outputs, "reasoning_tokens")
    if reasoning is not None:
        read["output_token_details"] = OutputTokenDetails(reasoning=reasoning)
    return read


def read_reports(body: Mapping[str, Any]) -> dict[str, Any]:
    """Take a server's own measurements out of a reply, as they are.

    Also the counts of a prediction, which say whether it was worth sending: OpenAI puts them into
    `usage.completion_tokens_details`.

    Example:
        >>> read_reports({"timings": {"predicted_ms": 238.7}, "usage": None})
        {'timings': {'predicted_ms': 238.7}}
    """
    found = {key: dict(body[key]) for key in REPORTS if isinstance(body.get(key), Mapping)}
    usage = body.get("usage")
    details = usage.get("completion_tokens_details") if isinstance(usage, Mapping) else None
    prediction = {
        name: count
        for name in ("accepted_prediction_tokens", "rejected_prediction_tokens")
        if (count := _count(details, name))
    }
    if prediction:
        found["prediction"] = prediction
    return found


def reported_queue_ms(reports: Mapping[str, Any]) -> float | None:
    """Give how long the request waited at the server, where the server says so (vLLM does)."""
    waited = (reports.get("metrics") or {}).get("queue_time_ms")
    return float(waited) if isinstance(waited, int | float) and waited >= 0 else None


def _count(of: object, *keys: str) -> int | None:
    for key in keys:
        value = of.get(key) if isinstance(of, Mapping) else None
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None
