"""The critical path of a run: the chain of work that decided how long it took.

Many things go on at once in a run, and most of them could have been slower without anybody
noticing. The path is found backwards from the run's end: from a span to the one that ended last
of those it waited for, and so on to the start. Time in which nothing on that chain was at work
belongs to the framework. Every instant of the run has one cause, so the totals add up to the wall
time exactly, however much ran in parallel.

The edges are explicit (`Span.after`). Where a call began while its reply was still coming in, the
path goes through the part of the reply that came before. A `wait` costs nothing by itself: the
time belongs to the verdict or call that was waited for.

Method: J. E. Kelley and M. R. Walker, Critical-Path Planning and Scheduling, 1959; backwards over
recorded edges as in C.-Q. Yang and B. P. Miller, Critical Path Analysis for the Execution of
Parallel and Distributed Programs, 1988.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from agentlanes.latency.spans import Span, SpanKind, parent_id

__all__ = ["CAUSES", "Cause", "CriticalPath", "Segment", "critical_path", "spans_in"]

Cause = Literal["act", "reason_wait", "tool", "queue", "retry", "framework", "undo", "person"]
"""What an instant of the run was spent on. `reason_wait` is the reason lane at work while nothing
else could go on; `framework` is what no span covers."""

CAUSES: tuple[Cause, ...] = get_args(Cause)

_CAUSE_OF: Mapping[SpanKind, Cause] = {
    "act": "act",
    "reason": "reason_wait",
    "tool": "tool",
    "queue": "queue",
    "retry": "retry",
    "wait": "reason_wait",
    "undo": "undo",
    "person": "person",
}


class Segment(NamedTuple):
    """A stretch of the critical path, in milliseconds from the run's start."""

    span_id: str | None
    cause: Cause
    start_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalPath:
    """Where a run's wall time went.

    Attributes:
        segments: The path, in order of time, without gaps.
        totals: Milliseconds by cause; every cause is there. They add up to `wall_ms`.
        lanes: Milliseconds on the path by lane and cause, queueing and retrying included; what
            belongs to no lane is under `none`.
        wall_ms: The run's wall time.
    """

    segments: list[Segment]
    totals: dict[Cause, float]
    lanes: dict[str, dict[Cause, float]]
    wall_ms: float


def spans_in(records: Iterable[Mapping[str, Any]]) -> list[Span]:
    """Give all spans of step records; those of version 1 have none."""
    return [span for record in records for span in record.get("spans") or ()]


def critical_path(
    records: Iterable[Mapping[str, Any]], wall_ms: float | None = None
) -> CriticalPath:
    """Find a run's critical path.

    Args:
        records: The run's step records, from a file or from the state.
        wall_ms: The run's wall time. By default the run ends with its last span; what a longer
            wall time adds is the framework's, put at the end.

    Returns:
        The path. Without any spans it is all the framework's, and nothing without a wall time.

    Example:
        >>> def span(id, kind, start, end, *after):
        ...     return {"id": id, "kind": kind, "name": "", "start_ms": start, "end_ms": end,
        ...             "after": list(after), "outcome": "committed"}
        >>> spans = [span("w0.draft0", "act", 0.0, 80.0),
        ...          span("w0.p0.tool", "tool", 80.0, 120.0, "w0.draft0"),
        ...          span("w0.p0.verdict", "reason", 81.0, 900.0, "w0.draft0"),
        ...          span("answer", "act", 900.0, 960.0, "w0.p0.tool", "w0.p0.verdict")]
        >>> path = critical_path([{"spans": spans}])
        >>> {cause: ms for cause, ms in path.totals.items() if ms}
        {'act': 140.0, 'reason_wait': 819.0, 'framework': 1.0}
    """
    walk = _Walk(spans_in(records))
    walk.back(_us(wall_ms or 0.0))
    return walk.path()


def _us(ms: float) -> int:
    return round(ms * 1000)


class _Walk:
    """Goes back from the end. In whole microseconds, so that sums are exact."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._whole: dict[str, Span] = {}
        self._inside: dict[str, list[Span]] = {}
        for span in spans:
            parent = parent_id(span)
            if parent is None:
                self._whole[span["id"]] = span
            else:
                self._inside.setdefault(parent, []).append(span)
        self._pieces: list[tuple[Span | None, Cause, int, int]] = []  # backwards
        self._wall = 0

    def back(self, wall: int) -> None:
        """Go from the end to the start."""
        spans = self._whole.values()
        last = max(spans, key=lambda s: (_us(s["end_ms"]), _us(s["start_ms"])), default=None)
        at = self._wall = max(wall, _us(last["end_ms"]) if last is not None else 0)
        seen: set[str] = set()
        while last is not None and last["id"] not in seen:
            seen.add(last["id"])
            at = self._nobody(_us(last["end_ms"]), at)
            limit = at if last["kind"] == "wait" else min(at, _us(last["start_ms"]))
            before, ended = self._last_of(last["after"], limit)
            start = max(ended, _us(last["start_ms"])) if last["kind"] == "wait" else limit
            self._somebody(last, start, at)
            at = self._nobody(ended, start)
            last = before
        self._nobody(0, at)

    def _last_of(self, ids: Sequence[str], limit: int) -> tuple[Span | None, int]:
        """Find the span that ended last before a limit; of several, the one that began last."""
        known = [self._whole[id] for id in ids if id in self._whole]
        found = max(
            known,
            key=lambda s: (min(_us(s["end_ms"]), limit), _us(s["start_ms"])),
            default=None,
        )
        return found, 0 if found is None else min(_us(found["end_ms"]), limit)

    def _nobody(self, start: int, end: int) -> int:
        if start < end:
            self._pieces.append((None, "framework", start, end))
        return min(start, end)

    def _somebody(self, span: Span, start: int, end: int) -> None:
        """Add a piece of a span; what lies inside it has a cause of its own."""
        inside = sorted(self._inside.get(span["id"], ()), key=lambda s: s["start_ms"], reverse=True)
        at = end
        for inner in inside:
            low, high = max(start, _us(inner["start_ms"])), min(at, _us(inner["end_ms"]))
            if low < high:
                self._add(span, _CAUSE_OF[span["kind"]], high, at)
                self._add(span, _CAUSE_OF[inner["kind"]], low, high)
                at = low
        self._add(span, _CAUSE_OF[span["kind"]], start, at)

    def _add(self, span: Span, cause: Cause, start: int, end: int) -> None:
        if start < end:
            self._pieces.append((span, cause, start, end))

    def path(self) -> CriticalPath:
        """Give what was found."""
        totals = dict.fromkeys(CAUSES, 0)
        lanes: dict[str, dict[Cause, int]] = {"act": {}, "reason": {}, "none": {}}
        segments = []
        for span, cause, start, end in reversed(self._pieces):
            totals[cause] += end - start
            lane = lanes[_lane(span)]
            lane[cause] = lane.get(cause, 0) + end - start
            segments.append(
                Segment(None if span is None else span["id"], cause, start / 1000, end / 1000)
            )
        return CriticalPath(
            segments=segments,
            totals={cause: us / 1000 for cause, us in totals.items()},
            lanes={
                lane: {cause: us / 1000 for cause, us in by.items()} for lane, by in lanes.items()
            },
            wall_ms=self._wall / 1000,
        )


def _lane(span: Span | None) -> str:
    if span is not None and span["kind"] in ("act", "reason"):
        return span["kind"]
    return "reason" if span is not None and span["kind"] == "wait" else "none"
