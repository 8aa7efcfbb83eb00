"""Spans: everything in a step that took time, and what it waited for.

A step record holds the spans of its step. Together the spans of a run are a graph: `after` names
the spans that one waited for, so that the critical path (`agentlanes.latency.critical`) need not
guess from times. Ids say where a span belongs:

| id | kind | what |
|---|---|---|
| `w2.draft0` | `act` | the first lane call of the act branch in window 2 |
| `w2.p3.tool` | `tool` | the call that is the window's proposal 3, run ahead |
| `w2.p3.wait` | `wait` | its wait for earlier verdicts, or a fence's for its own |
| `w2.p3.verdict` | `reason` | the verdict on it; `verdict2` if a judge asks twice |
| `w2.words` | `reason` | the reason lane working the request out alone |
| `w2.answer` | `act` | an answer written ahead of the verdicts |
| `w2.undo` | `undo` | taking back what ran ahead and is discarded |
| `e1` | `tool` | the run's fenced call number 1, from 0 |
| `e1.person` | `person` | a person being asked about it; `person2` if asked again |
| `w2.person` | `person` | a person being asked about an earlier run's call |
| `answer` | `act` | the final answer |
| `w2.draft0.queue` | `queue` | inside `w2.draft0`: waiting for a place in the lane |
| `w2.draft0.retry` | `retry` | inside `w2.draft0`: attempts that failed, and the waits after them |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NotRequired, TypedDict

__all__ = ["WORK", "Outcome", "Span", "SpanKind", "extent_of", "parent_id"]

Outcome = Literal["committed", "discarded", "fenced", "skipped"]
"""What became of a piece of work."""

SpanKind = Literal["act", "reason", "tool", "queue", "retry", "wait", "undo", "person"]

WORK: tuple[SpanKind, ...] = ("act", "reason", "tool", "undo")
"""Kinds that are work by themselves: not part of a lane call, and nobody's waiting."""

_NESTED = ("queue", "retry")


class Span(TypedDict):
    """Something that took time. Times are milliseconds from the run's start (see `RunClock`).

    Attributes:
        id: Unique in the run; the module's docstring lists the forms.
        kind: What it was.
        name: The tool, or what the lane call was for: `draft`, `plan`, `verdict`, `words`,
            `answer`.
        start_ms: Its start.
        end_ms: Its end.
        after: Ids of the spans it waited for. One that has not ended when this one starts is a
            reply that was still coming in when its first calls were started, or, for a `wait`,
            what was waited for.
        outcome: What became of it.
        kept_ms: Of a tool call for which the result of an earlier one stands: how long that took.
    """

    id: str
    kind: SpanKind
    name: str
    start_ms: float
    end_ms: float
    after: list[str]
    outcome: Outcome | None
    kept_ms: NotRequired[float]


def extent_of(spans: Sequence[Span]) -> tuple[float | None, float | None, float]:
    """Give when the first of a step's spans starts, when the last ends, and the work thrown away.

    Returns:
        Milliseconds, as the step record's `started_ms`, `ended_ms` and `wasted_ms`.

    Example:
        >>> extent_of([])
        (None, None, 0.0)
    """
    if not spans:
        return None, None, 0.0
    started, ended, wasted = spans[0]["start_ms"], spans[0]["end_ms"], 0.0
    for span in spans:
        start, end = span["start_ms"], span["end_ms"]
        if start < started:
            started = start
        if end > ended:
            ended = end
        if span["outcome"] == "discarded" and span["kind"] in WORK:
            wasted += end - start
    return started, ended, round(wasted, 3) if wasted else 0.0


def parent_id(span: Span) -> str | None:
    """Give the id of the lane call that a `queue` or `retry` span lies inside.

    Example:
        >>> queue: Span = {"id": "w0.draft0.queue", "kind": "queue", "name": "draft",
        ...                "start_ms": 0.0, "end_ms": 4.0, "after": [], "outcome": None}
        >>> parent_id(queue)
        'w0.draft0'
    """
    return span["id"].rpartition(".")[0] if span["kind"] in _NESTED else None
