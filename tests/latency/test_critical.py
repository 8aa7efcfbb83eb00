"""The critical path: every instant of a run has one cause, whatever ran in parallel."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from agentlanes.latency.critical import CAUSES, CriticalPath, critical_path
from tests.latency.test_spans import run


def span(id: str, kind: str, start: float, end: float, *after: str, **more: Any) -> dict[str, Any]:
    blank = {"name": "", "outcome": "committed"}
    times = {"start_ms": float(start), "end_ms": float(end)}
    return {**blank, "id": id, "kind": kind, **times, "after": list(after), **more}


def path_of(*spans: dict[str, Any], wall_ms: float | None = None) -> CriticalPath:
    found = critical_path([{"spans": [one]} for one in spans], wall_ms)
    assert sum(found.totals.values()) == pytest.approx(found.wall_ms, abs=1e-9)
    assert sum(ms for by in found.lanes.values() for ms in by.values()) == pytest.approx(
        found.wall_ms, abs=1e-9
    )
    assert [s.start_ms for s in found.segments[1:]] == [s.end_ms for s in found.segments[:-1]]
    assert set(found.totals) == set(CAUSES)
    return found


def causes(path: CriticalPath) -> dict[str, float]:
    return {cause: ms for cause, ms in path.totals.items() if ms}


def test_parallel_work_is_counted_once() -> None:
    path = path_of(
        span("w0.draft0", "act", 0, 100),
        span("w0.p0.tool", "tool", 100, 400, "w0.draft0"),
        span("w0.p1.tool", "tool", 100, 900, "w0.draft0"),
        span("w0.p2.tool", "tool", 100, 300, "w0.draft0"),
        span("answer", "act", 900, 1000, "w0.p0.tool", "w0.p1.tool", "w0.p2.tool"),
    )
    assert causes(path) == {"act": 200, "tool": 800}
    assert [s.span_id for s in path.segments] == ["w0.draft0", "w0.p1.tool", "answer"]


def test_a_wait_leads_to_the_verdict_that_ended_it() -> None:
    path = path_of(
        span("w0.draft0", "act", 0, 100),
        span("w0.p0.verdict", "reason", 100, 700, "w0.draft0"),
        span("w0.draft1", "act", 150, 250, "w0.draft0"),
        span("w0.p1.wait", "wait", 250, 700, "w0.draft1", "w0.p0.verdict"),
        span("w0.p1.tool", "tool", 700, 800, "w0.p1.wait"),
    )
    assert causes(path) == {"act": 100, "reason_wait": 600, "tool": 100}
    assert path.lanes["reason"] == {"reason_wait": 600}


def test_a_wait_for_what_left_no_span_is_still_a_wait() -> None:
    path = path_of(
        span("w0.draft0", "act", 0, 100),
        span("w0.p0.wait", "wait", 120, 500, "w0.draft0"),
        span("w0.p0.tool", "tool", 500, 600, "w0.p0.wait"),
    )
    assert causes(path) == {"act": 100, "framework": 20, "reason_wait": 380, "tool": 100}


def test_a_call_that_began_within_its_reply_splits_it() -> None:
    path = path_of(
        span("w0.draft0", "act", 0, 100),
        span("w0.p0.tool", "tool", 40, 500, "w0.draft0"),
    )
    assert causes(path) == {"act": 40, "tool": 460}


def test_queueing_and_retrying_have_causes_of_their_own() -> None:
    path = path_of(
        span("w0.draft0", "act", 10, 100),
        span("w0.draft0.queue", "queue", 10, 30),
        span("w0.draft0.retry", "retry", 30, 70),
        span("w0.p0.verdict", "reason", 100, 200, "w0.draft0"),
        span("w0.p0.verdict.queue", "queue", 100, 125),
    )
    assert causes(path) == {
        "framework": 10,
        "queue": 45,
        "retry": 40,
        "act": 30,
        "reason_wait": 75,
    }
    assert path.lanes["act"] == {"queue": 20, "retry": 40, "act": 30}


def test_what_no_span_covers_is_the_framework() -> None:
    path = path_of(span("w0.draft0", "act", 5, 10), wall_ms=25)
    assert causes(path) == {"framework": 20, "act": 5}
    assert causes(path_of(wall_ms=7)) == {"framework": 7}
    assert path_of().segments == []


def test_a_circle_in_a_damaged_file_ends_the_walk() -> None:
    path = path_of(span("a", "act", 0, 10, "b"), span("b", "tool", 0, 10, "a"))
    assert path.wall_ms == 10


@pytest.mark.parametrize("options", [{}, {"max_run_ahead": 0}, {"max_run_ahead": 1}])
def test_a_real_run_adds_up(options: dict[str, Any]) -> None:
    result, wall_ms = run(**options)
    path = critical_path(result["steps"])
    assert path.wall_ms == pytest.approx(wall_ms)
    assert path.totals["framework"] == 0
    assert all(one.end_ms == two.start_ms for one, two in pairwise(path.segments))
