"""What work cost: milliseconds, tokens and, where prices are given, money."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agentlanes.latency.critical import spans_in
from agentlanes.latency.spans import WORK, Span

__all__ = ["Price", "Work", "cost_usd", "work_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model's tokens cost, in US dollars a million.

    Attributes:
        input_usd: Input tokens.
        output_usd: Output tokens, reasoning included.
        cached_usd: Input tokens that were cached; by default they cost what others do.
    """

    input_usd: float
    output_usd: float
    cached_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Work that was done. What was not reported is not counted, and said to be unknown.

    Attributes:
        ms: Milliseconds, added up over everything that ran at once.
        lane_calls: Calls of a lane.
        input_tokens: Of the calls that reported theirs; so are the others.
        output_tokens: Reasoning included.
        reasoning_tokens: Part of the output.
        cached_tokens: Part of the input.
        unreported_calls: Lane calls that did not report their tokens.
        cost_usd: What it cost; `None` when the price or the tokens of a call are unknown.
    """

    ms: float
    lane_calls: int
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cached_tokens: int
    unreported_calls: int
    cost_usd: float | None


def cost_usd(record: Mapping[str, Any], prices: Mapping[str, Price]) -> float | None:
    """Give what a step's lane call cost; `None` is unknown, and 0 a step that asked no model.

    Example:
        >>> record = {"lane": "act", "model": "small", "attempts": 1,
        ...           "tokens": {"input": 2000, "output": 100, "reasoning": None, "cached": 1000}}
        >>> cost_usd(record, {"small": Price(input_usd=1.0, output_usd=5.0, cached_usd=0.1)})
        0.0016
    """
    if not _asked(record):
        return 0.0
    price, tokens = prices.get(record.get("model") or ""), record.get("tokens") or {}
    given, written = tokens.get("input"), tokens.get("output")
    if price is None or given is None or written is None:
        return None
    cached = tokens.get("cached") or 0
    cheap = price.input_usd if price.cached_usd is None else price.cached_usd
    dollars = (given - cached) * price.input_usd + cached * cheap + written * price.output_usd
    return float(dollars) / 1e6


def work_of(
    records: Iterable[Mapping[str, Any]],
    prices: Mapping[str, Price],
    only: Collection[str] | None = None,
) -> Work:
    """Add up work.

    Args:
        records: Step records.
        prices: By model.
        only: Ids of the spans that count; all of them by default. A lane call's tokens belong to
            its own span.
    """
    ms, calls, unreported = 0.0, 0, 0
    tokens = dict.fromkeys(("input", "output", "reasoning", "cached"), 0)
    cost: float | None = 0.0
    for record in records:
        spans = [s for s in spans_in([record]) if only is None or s["id"] in only]
        ms += sum(s["end_ms"] - s["start_ms"] for s in spans if s["kind"] in WORK)
        if not _asked(record) or not (only is None or any(_is_call(s) for s in spans)):
            continue
        calls += 1
        said = record.get("tokens") or {}
        unreported += said.get("output") is None
        for kind in tokens:
            tokens[kind] += said.get(kind) or 0
        own = cost_usd(record, prices)
        cost = None if cost is None or own is None else cost + own
    return Work(
        ms=round(ms, 3),
        lane_calls=calls,
        input_tokens=tokens["input"],
        output_tokens=tokens["output"],
        reasoning_tokens=tokens["reasoning"],
        cached_tokens=tokens["cached"],
        unreported_calls=unreported,
        cost_usd=cost,
    )


def _asked(record: Mapping[str, Any]) -> bool:
    return record.get("lane") is not None and record.get("attempts") != 0


def _is_call(span: Span) -> bool:
    return span["kind"] in ("act", "reason")
