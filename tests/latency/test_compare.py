"""Before and after: seeded intervals over runs, and no averages of ratios."""

from __future__ import annotations

import random
from statistics import mean

import pytest

from agentlanes.latency.compare import Change, RunSample, compare


def runs(*walls: float) -> list[RunSample]:
    return [RunSample(figures={"wall_ms": wall}) for wall in walls]


def only(changes: list[Change]) -> Change:
    assert len(changes) == 1
    return changes[0]


def test_the_ratio_is_of_the_means_not_the_mean_of_ratios() -> None:
    # Run by run one halves and one grows by half: the mean of ratios would say "no change".
    change = only(compare(runs(10_000, 100), runs(15_000, 50)))
    assert change.ratio == pytest.approx(15_050 / 10_100)
    assert mean([1.5, 0.5]) == 1.0


def test_the_same_runs_give_the_same_interval() -> None:
    draw = random.Random(3)
    old = runs(*(draw.gauss(1000, 100) for _ in range(20)))
    new = runs(*(draw.gauss(900, 100) for _ in range(20)))
    first, again = only(compare(old, new)), only(compare(old, new))
    assert first == again
    assert only(compare(old, new, seed=1)).low != first.low
    assert first.low is not None
    assert first.high is not None
    assert first.ratio is not None
    assert first.low < first.ratio < first.high


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    draw = random.Random(7)
    held = 0
    for trial in range(100):
        old = runs(*(draw.lognormvariate(7, 0.4) for _ in range(25)))
        new = runs(*(0.8 * draw.lognormvariate(7, 0.4) for _ in range(25)))
        change = only(compare(old, new, resamples=300, seed=trial))
        assert change.low is not None
        assert change.high is not None
        held += change.low <= 0.8 <= change.high
    assert 85 <= held <= 100


def test_no_change_is_not_clear_and_a_large_one_is() -> None:
    same = [1000.0, 1100.0, 900.0, 1050.0]
    assert not only(compare(runs(*same), runs(*same))).clear
    assert only(compare(runs(*same), runs(*(wall / 2 for wall in same)))).clear


def test_one_run_on_a_side_has_no_interval() -> None:
    change = only(compare(runs(1000), runs(500, 600)))
    assert (change.low, change.high, change.clear) == (None, None, False)
    assert (change.runs_before, change.runs_after) == (1, 2)


def test_quantiles_pool_the_times_of_all_runs() -> None:
    old = [
        RunSample(figures={}, times_ms={"act": [1.0] * 99}),
        RunSample(figures={}, times_ms={"act": [9.0]}),
    ]
    new = [
        RunSample(figures={}, times_ms={"act": [2.0, 2.0]}),
        RunSample(figures={}, times_ms={"act": []}),
    ]
    p50, p95 = compare(old, new)
    assert (p50.name, p50.before, p50.after, p50.ratio) == ("act p50", 1.0, 2.0, 2.0)
    assert (p95.before, p95.runs_after) == (1.0, 1)


def test_what_is_unknown_or_one_sided_is_left_out() -> None:
    old = [RunSample(figures={"a": 1.0, "b": None}), RunSample(figures={"a": None, "b": None})]
    new = [RunSample(figures={"a": 2.0, "b": 3.0})]
    change = only(compare(old, new))
    assert (change.name, change.runs_before) == ("a mean", 1)


def test_nothing_before_has_no_ratio() -> None:
    change = only(compare(runs(0, 0), runs(5, 5)))
    assert (change.ratio, change.low, change.after) == (None, None, 5)
