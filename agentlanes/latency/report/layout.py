"""Where a run's spans stand in its waterfall: a lane each, and in it a row that is free.

From above: the act lane, the calls that ran ahead, the fenced calls, the waits, the reason lane. So
what runs ahead stands over the verdicts that it does not wait for.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentlanes.latency.spans import Span, parent_id

__all__ = ["LANES", "Bar", "LaneRows", "Layout", "lay_out"]

LANES: Mapping[str, str] = {
    "act": "Act lane",
    "tool": "Tools, ahead of their verdicts",
    "effect": "Fenced tools",
    "wait": "Waits",
    "person": "People",
    "undo": "Undo",
    "reason": "Reason lane",
}
"""The lanes of a waterfall from above, by key, with their headings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A span's place.

    Attributes:
        span: Its position among the spans.
        lane: Its lane.
        row: Its row there, from 0.
        nested: It lies inside another bar: queueing and retries lie inside their lane call.
    """

    span: int
    lane: str
    row: int
    nested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRows:
    """A lane that has bars.

    Attributes:
        key: Its key in `LANES`.
        title: Its heading.
        rows: Rows it needs, as many as it has spans at once.
    """

    key: str
    title: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A waterfall: its lanes from above, and a bar for each span, in the order of the spans."""

    lanes: tuple[LaneRows, ...]
    bars: tuple[Bar, ...]


def lay_out(spans: Sequence[Span]) -> Layout:
    """Give every span a lane and a row in which it covers no other.

    Example:
        >>> span = {"id": "answer", "kind": "act", "name": "answer", "start_ms": 0.0,
        ...         "end_ms": 9.0, "after": [], "outcome": "committed"}
        >>> lay_out([span]).lanes[0].title
        'Act lane'
    """
    bars: dict[int, Bar] = {}
    depth: dict[str, int] = {}
    free: dict[str, list[tuple[float, int]]] = {}
    by_id = {span["id"]: place for place, span in enumerate(spans)}
    for place in sorted(range(len(spans)), key=lambda at: spans[at]["start_ms"]):
        span = spans[place]
        if parent_id(span) in by_id:
            continue
        lane = _lane(span)
        row = _free_row(free.setdefault(lane, []), span["start_ms"], depth.get(lane, 0))
        depth[lane] = max(depth.get(lane, 0), row + 1)
        heapq.heappush(free[lane], (span["end_ms"], row))
        bars[place] = Bar(span=place, lane=lane, row=row, nested=False)
    for place, span in enumerate(spans):
        if place not in bars:
            outer = bars[by_id[parent_id(span) or ""]]
            bars[place] = Bar(span=place, lane=outer.lane, row=outer.row, nested=True)
    lanes = tuple(
        LaneRows(key=key, title=title, rows=depth[key])
        for key, title in LANES.items()
        if key in depth
    )
    return Layout(lanes=lanes, bars=tuple(bars[place] for place in range(len(spans))))


def _lane(span: Span) -> str:
    kind: str = span["kind"]
    if kind == "tool" and span["id"].startswith("e"):
        return "effect"
    return {"queue": "wait", "retry": "wait"}.get(kind, kind)


def _free_row(taken: list[tuple[float, int]], start_ms: float, rows: int) -> int:
    """Take the uppermost row whose last bar has ended; else a new one below."""
    ended = []
    while taken and taken[0][0] <= start_ms:
        ended.append(heapq.heappop(taken))
    if not ended:
        return rows
    best = min(ended, key=lambda entry: entry[1])
    for entry in ended:
        if entry is not best:
            heapq.heappush(taken, entry)
    return best[1]
