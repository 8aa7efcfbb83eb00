"""What each workload profile measures besides latency, for a step and for many.

Over many steps a metric is a ratio of sums, never a mean of ratios: tokens over seconds, cached
tokens over tokens, right verdicts over verdicts that could be checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from agentlanes.router.profiles import PROFILES

__all__ = ["metric_of", "metric_total"]

_DECIDED = ("approve", "reject")


def metric_of(
    record: Mapping[str, Any], *, verdict: str | None = None, right: bool | None = None
) -> tuple[str | None, float | None]:
    """Give the name and the value of a step's metric.

    Args:
        record: The step record.
        verdict: Status of the verdict that the step gave, if it gave one.
        right: Whether that verdict was right, where a checker knows.

    Returns:
        Name and value: both `None` for a step that is not of a profile's own lane; the value
        alone where it cannot be known.

    Example:
        >>> record = {"profile": "api_formatting", "lane": "act", "duration_ms": 500.0,
        ...           "tokens": {"input": 900, "output": 40, "cached": 512, "reasoning": None}}
        >>> metric_of(record)
        ('output_tokens_per_s', 80.0)
        >>> metric_of({**record, "profile": "retrieval"})[0]
        'cached_input_share'
    """
    profile = PROFILES.get(record.get("profile") or "")
    if profile is None or record.get("lane") != profile.lane or record.get("attempts") == 0:
        return None, None
    if profile.metric_name == "verdict_accuracy":
        return profile.metric_name, None if right is None else float(right)
    if profile.metric_name == "decided_share":
        return profile.metric_name, None if verdict is None else float(verdict in _DECIDED)
    part, whole = _parts(profile.metric_name, record)
    return profile.metric_name, part / whole if part is not None and whole else None


def metric_total(records: Iterable[Mapping[str, Any]]) -> tuple[str | None, float | None]:
    """Give the metric over many steps of one profile; steps whose value is unknown are left out.

    Example:
        >>> record = {"profile": "retrieval", "lane": "act", "metric_name": "cached_input_share"}
        >>> metric_total([
        ...     {**record, "metric_value": 0.5, "tokens": {"input": 100, "cached": 50}},
        ...     {**record, "metric_value": 0.9, "tokens": {"input": 1000, "cached": 900}},
        ... ])
        ('cached_input_share', 0.8636363636363636)
    """
    name, parts, wholes = None, 0.0, 0.0
    for record in records:
        name = name or record.get("metric_name")
        value = record.get("metric_value")
        if value is None:
            continue
        part, whole = _parts(str(record["metric_name"]), record)
        if part is None or not whole:
            part, whole = value, 1.0  # it counts verdicts
        parts, wholes = parts + part, wholes + whole
    return name, parts / wholes if wholes else None


def _parts(name: str, record: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Give what a step adds above and below the line."""
    tokens, took = record.get("tokens") or {}, record.get("duration_ms")
    if name == "output_tokens_per_s":
        return tokens.get("output"), None if took is None else took / 1000
    if name == "cached_input_share":
        return tokens.get("cached"), tokens.get("input")
    return None, None
