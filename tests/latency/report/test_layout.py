"""A waterfall's rows: every span has a place, and no two share one at the same time."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agentlanes.latency.report.layout import LANES, lay_out
from agentlanes.latency.spans import Span
from tests.latency.made import MadeRun


def span(id: str, kind: str, start: float, end: float) -> Any:
    times = {"start_ms": start, "end_ms": end}
    return {"id": id, "kind": kind, "name": "x", **times, "after": [], "outcome": "committed"}


TIMES = st.tuples(
    st.integers(0, 40), st.integers(0, 20), st.sampled_from(["act", "reason", "tool"])
)


@settings(max_examples=80, deadline=None)
@given(st.lists(TIMES, max_size=25))
def test_no_two_bars_cover_each_other(times: list[tuple[int, int, str]]) -> None:
    spans: list[Span] = [
        span(f"w0.p{n}.x", kind, start, start + length)
        for n, (start, length, kind) in enumerate(times)
    ]
    layout = lay_out(spans)
    assert [bar.span for bar in layout.bars] == list(range(len(spans)))
    for one, other in combinations(layout.bars, 2):
        if (one.lane, one.row) == (other.lane, other.row):
            first, second = sorted(
                (spans[one.span], spans[other.span]), key=lambda s: (s["start_ms"], s["end_ms"])
            )
            assert first["end_ms"] <= second["start_ms"]
    for lane in layout.lanes:
        rows = {bar.row for bar in layout.bars if bar.lane == lane.key}
        assert rows == set(range(lane.rows))


def test_a_lane_has_as_many_rows_as_it_has_spans_at_once() -> None:
    spans = [span(f"w0.p{n}.verdict", "reason", n, n + 2.5) for n in range(10)]
    assert [lane.rows for lane in lay_out(spans).lanes] == [3]


def test_lanes_stand_in_their_order_and_only_where_there_is_something() -> None:
    spans = [
        span("w0.p0.verdict", "reason", 1, 9),
        span("e0", "tool", 9, 10),
        span("w0.p0.tool", "tool", 1, 2),
        span("w0.draft0", "act", 0, 1),
    ]
    keys = [lane.key for lane in lay_out(spans).lanes]
    assert keys == ["act", "tool", "effect", "reason"]
    assert keys == [key for key in LANES if key in keys]


def test_queueing_lies_inside_its_lane_call_and_alone_among_the_waits() -> None:
    inside = lay_out([span("w0.draft0", "act", 0, 9), span("w0.draft0.queue", "queue", 0, 3)])
    assert [(bar.lane, bar.row, bar.nested) for bar in inside.bars] == [
        ("act", 0, False),
        ("act", 0, True),
    ]
    alone = lay_out([span("w0.draft0.queue", "queue", 0, 3)])
    assert [(bar.lane, bar.nested) for bar in alone.bars] == [("wait", False)]


def test_a_made_up_run_has_every_span_placed() -> None:
    spans = [each for record in MadeRun(seed=4).finish(200) for each in record["spans"]]
    assert len(lay_out(spans).bars) == len(spans)
