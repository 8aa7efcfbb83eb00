"""Before and after: how two sets of runs differ, and how sure that is.

A figure of a set is a mean over its runs, or a quantile of all the times in them; the change is the
one figure over the other. No ratio is made per run and then averaged: a mean of ratios weighs a
short run like a long one, and can say "faster" of a set that took longer.

The interval is a percentile bootstrap (B. Efron and R. Tibshirani, An Introduction to the
Bootstrap, 1993, chapter 13) that draws whole runs, since the steps of a run are not independent of
each other. It is seeded: the same runs give the same interval.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Change", "RunSample", "compare"]

LEVEL = 0.95
RESAMPLES = 1000
PERCENTS = (50, 95)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSample:
    """What a run contributes to a comparison.

    Attributes:
        figures: One figure a run, such as its wall time; `None` is unknown and left out.
        times_ms: Many times a run, such as those of the act lane's calls.
    """

    figures: Mapping[str, float | None]
    times_ms: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How a figure changed.

    Attributes:
        name: The figure: a name of `RunSample.figures` with `mean`, or one of `times_ms` with
            `p50` or `p95`.
        before: Its value before.
        after: Its value after.
        ratio: `after / before`; `None` when it was zero before.
        low: Lower end of the 95% interval of the ratio; `None` with fewer than two runs on a side.
        high: Its upper end.
        runs_before: Runs it was known of before.
        runs_after: Runs it was known of after.
    """

    name: str
    before: float
    after: float
    ratio: float | None
    low: float | None
    high: float | None
    runs_before: int
    runs_after: int

    @property
    def clear(self) -> bool:
        """Whether the interval leaves no change out."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high


def compare(
    before: Sequence[RunSample],
    after: Sequence[RunSample],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Change]:
    """Compare two sets of runs, figure by figure.

    Args:
        before: The runs before the change.
        after: The runs after it.
        resamples: Sets drawn for the intervals.
        seed: Of the draws.

    Returns:
        A change for each figure that is known on both sides, in the order of the figures.

    Example:
        >>> old = [RunSample(figures={"wall_ms": ms}) for ms in (1000.0, 1100.0, 1200.0)]
        >>> new = [RunSample(figures={"wall_ms": ms}) for ms in (500.0, 550.0, 600.0)]
        >>> change = compare(old, new)[0]
        >>> change.name, change.ratio, change.clear
        ('wall_ms mean', 0.5, True)
    """
    changes = []
    for name in _names(before, after, lambda run: run.figures):
        sides = [
            [v for run in runs if (v := run.figures.get(name)) is not None]
            for runs in (before, after)
        ]
        if all(sides):
            changes.append(
                _change(f"{name} mean", _Mean(sides[0]), _Mean(sides[1]), resamples, seed)
            )
    for name in _names(before, after, lambda run: run.times_ms):
        samples = [[t for run in runs if (t := run.times_ms.get(name))] for runs in (before, after)]
        for percent in PERCENTS if all(samples) else ():
            old, new = (_Quantile(side, percent) for side in samples)
            changes.append(_change(f"{name} p{percent}", old, new, resamples, seed))
    return changes


class _Mean:
    """The mean of a figure, of the runs themselves or of runs drawn from them."""

    def __init__(self, values: Sequence[float]) -> None:
        self.runs = len(values)
        self._values = values

    def of(self, drawn: Sequence[int]) -> float:
        return sum(self._values[run] for run in drawn) / len(drawn)


class _Quantile:
    """A quantile of all times, each as often as its run was drawn."""

    def __init__(self, times: Sequence[Sequence[float]], percent: int) -> None:
        self.runs = len(times)
        self._sizes = [len(mine) for mine in times]
        self._sorted = sorted((ms, run) for run, mine in enumerate(times) for ms in mine)
        self._percent = percent

    def of(self, drawn: Sequence[int]) -> float:
        weights = [0] * self.runs
        for run in drawn:
            weights[run] += 1
        total = sum(weight * size for weight, size in zip(weights, self._sizes, strict=True))
        left = total * self._percent / 100
        for ms, run in self._sorted:
            left -= weights[run]
            if left <= 0 and weights[run]:
                return ms
        return self._sorted[-1][0]


def _change(
    name: str, before: _Mean | _Quantile, after: _Mean | _Quantile, resamples: int, seed: int
) -> Change:
    old, new = (side.of(range(side.runs)) for side in (before, after))
    low = high = None
    if min(before.runs, after.runs) > 1 and old:
        ratios = sorted(_ratios(before, after, resamples, random.Random(seed)))
        if ratios:
            low, high = _ends(ratios)
    return Change(
        name=name,
        before=old,
        after=new,
        ratio=new / old if old else None,
        low=low,
        high=high,
        runs_before=before.runs,
        runs_after=after.runs,
    )


def _ratios(
    before: _Mean | _Quantile, after: _Mean | _Quantile, resamples: int, draw: random.Random
) -> Iterator[float]:
    for _ in range(resamples):
        old, new = (
            side.of(draw.choices(range(side.runs), k=side.runs)) for side in (before, after)
        )
        if old:
            yield new / old


def _ends(ratios: Sequence[float]) -> tuple[float, float]:
    cut = (1 - LEVEL) / 2
    last = len(ratios) - 1
    return ratios[round(cut * last)], ratios[round((1 - cut) * last)]


def _names(
    before: Sequence[RunSample],
    after: Sequence[RunSample],
    of: Callable[[RunSample], Mapping[str, object]],
) -> list[str]:
    return list(dict.fromkeys(name for run in (*before, *after) for name in of(run)))
