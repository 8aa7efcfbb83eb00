"""The claims about speed, on virtual time: the same numbers on every machine."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.prove.speedup import READ, WRITE, run_s


@pytest.mark.parametrize("shape", [[READ, READ, WRITE] * 2, [READ, WRITE, READ] * 3])
def test_running_ahead_gains_what_is_claimed(shape: list[str]) -> None:
    per_call = run_s(shape, run_ahead=0)
    assert per_call / run_s(shape) >= 1.7
    assert per_call / run_s(shape, planning="always") >= 3
    assert run_s(shape, planning="always") < run_s(shape, run_ahead=0, planning="always")


@pytest.mark.parametrize("planning", ["never", "always"])
@pytest.mark.parametrize("wrong", ["once", "always"])
def test_being_wrong_costs_no_more_than_waiting(planning: str, wrong: str) -> None:
    for shape in ([READ] * 4, [WRITE, READ] * 2):
        known: Any = {"planning": planning, "wrong": wrong, "tool_s": 20.0}
        assert run_s(shape, **known) <= 1.02 * run_s(shape, run_ahead=0, **known)
