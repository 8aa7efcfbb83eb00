"""Making spans: of a lane call, and of a fenced call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agentlanes.latency.spans import Outcome, Span, SpanKind
from agentlanes.state import AgentState

__all__ = ["call_spans", "effect_spans", "span_of"]

_INSIDE: tuple[tuple[SpanKind, str], ...] = (("queue", "queue_ms"), ("retry", "retry_ms"))


def span_of(
    id: str,
    kind: SpanKind,
    name: str,
    times: tuple[float, float],
    after: Iterable[str] = (),
    outcome: Outcome | None = None,
) -> Span:
    """Make a span; `times` are its start and end, in milliseconds from the run's start."""
    start, end = times
    waited = [*after]
    return {
        "id": id,
        "kind": kind,
        "name": name,
        "start_ms": start,
        "end_ms": end if end > start else start,
        "after": waited if len(waited) < 2 else [*dict.fromkeys(waited)],
        "outcome": outcome,
    }


def call_spans(span: Span, record: Mapping[str, Any]) -> list[Span]:
    """Give a lane call's span, with what its client measured inside it: queueing and retrying."""
    if not (record.get("queue_ms") or record.get("retry_ms")):
        return [span]
    spans, at = [span], span["start_ms"]
    for kind, length in _INSIDE:
        took = record.get(length)
        if took:
            ends = min(round(at + took, 3), span["end_ms"])
            inner = span_of(f"{span['id']}.{kind}", kind, span["name"], (at, ends))
            spans.append({**inner, "outcome": span["outcome"]})
            at = ends
    return spans


def effect_spans(
    state: AgentState,
    outcome: Outcome,
    asked: Sequence[tuple[float, float]],
    ran: tuple[float, float] | None = None,
) -> tuple[list[Span], list[str]]:
    """Make the spans of a fenced call, or of questions about earlier runs' calls.

    Args:
        state: The state it is made in.
        outcome: What became of it.
        asked: When a person was asked and when they had answered, from the run's start.
        ran: When the tool ran.

    Returns:
        The spans, and the ids of what the next step waits for.
    """
    window = state["window"]
    fence, place = window["fence"], f"e{state['run']['fenced']}"
    if fence is None:
        place = f"w{window['id']}"
    name, after = fence["tool"] if fence is not None else "", list(window.get("after") or ())
    spans: list[Span] = []
    for number, times in enumerate(asked):
        id = f"{place}.person{number + 1 if number else ''}"
        spans.append(span_of(id, "person", name, times, after, outcome))
        after = [id]
    if ran is not None:
        spans.append(span_of(place, "tool", name, ran, after, outcome))
        after = [spans[-1]["id"]]
    return spans, after
