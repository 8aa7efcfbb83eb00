"""`make latency-proof` in small, and that it would notice if an attribution were wrong."""

from __future__ import annotations

from typing import Any

import pytest

from agentlanes.latency.critical import critical_path
from benchmarks.latency_proof.runs import generate, prove, run_schedule
from benchmarks.latency_proof.truth import Piece, constructed, misattributed
from benchmarks.latency_proof.world import Activity


def test_every_attributed_microsecond_is_the_constructed_one() -> None:
    proof = prove(40)
    assert (proof.runs, proof.misattributed, proof.wrong) == (40, 0, [])
    assert proof.max_total_error < 1e-12
    assert proof.serial_runs > 20
    assert proof.max_serial_error < 1e-6
    wanted = {"act", "reason_wait", "tool", "queue", "retry", "undo", "person", "framework"}
    assert set(proof.causes) == wanted


def test_the_truth_is_who_ended_when_the_next_began() -> None:
    log = [
        Activity("act", 0.0, 0.1),
        Activity("tool", 0.1, 0.4),
        Activity("tool", 0.1, 0.2),
        Activity("reason_wait", 0.1, 0.9),
        Activity("act", 0.9, 1.0),
    ]
    truth = constructed(log, 0.0, 1.0)
    assert truth.pieces == [
        Piece("act", 0, 100_000),
        Piece("reason_wait", 100_000, 900_000),
        Piece("act", 900_000, 1_000_000),
    ]
    with pytest.raises(LookupError, match="nobody ended at 950000 us"):
        constructed(log, 0.0, 0.95)


def test_a_difference_is_counted() -> None:
    truth = [Piece("act", 0, 10), Piece("tool", 10, 30)]
    assert misattributed(truth, truth) == 0
    assert misattributed(truth, [Piece("act", 0, 12), Piece("tool", 12, 30)]) == 2
    assert misattributed(truth, [Piece("act", 0, 10)]) == 20
    assert misattributed(truth, [Piece("tool", 0, 30)]) == 10


@pytest.mark.parametrize("broken", ["edges", "kinds", "times"])
def test_wrong_records_are_found_out(broken: str) -> None:
    wrong = 0
    for seed in range(6):
        world, steps, start_s, end_s = run_schedule(generate(seed))
        for span in [span for step in steps for span in step["spans"]]:
            _break(span, broken)
        origin = round(start_s * 1e6)
        truth = [
            Piece(kind, low - origin, high - origin)
            for kind, low, high in constructed(world.log, start_s, end_s).pieces
        ]
        path = critical_path(steps, (end_s - start_s) * 1000)
        told = [
            Piece(s.cause, round(s.start_ms * 1e3), round(s.end_ms * 1e3)) for s in path.segments
        ]
        wrong += misattributed(truth, told)
    assert wrong > 0


def _break(span: Any, how: str) -> None:
    if how == "edges":
        span["after"] = span["after"][:1]
    elif how == "kinds" and span["kind"] == "queue":
        span["kind"] = "retry"
    elif how == "times" and span["kind"] == "reason":
        span["end_ms"] -= 1
