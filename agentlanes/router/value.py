"""What escalating in the order of a score is worth: AUROC, APGR, calibration, intervals.

APGR (average performance gap recovered, RouteLLM, arXiv:2406.18665): of the gap between always
asking the weak model and always the strong one, the share that is closed when the steps with the
highest scores go to the strong one, averaged over every share of steps from none to all. Random
order gives 0.5. Standard library only.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

__all__ = ["apgr", "auroc", "brier", "interval", "log_loss", "recovered"]


def auroc(scores: Sequence[float], wrong: Sequence[bool]) -> float | None:
    """Give the probability that a wrong one scores above a right one, ties counted half.

    Example:
        >>> auroc([0.9, 0.2, 0.1], [True, False, False])
        1.0
    """
    positives = sum(wrong)
    negatives = len(wrong) - positives
    if not positives or not negatives:
        return None
    below = area = 0.0
    for _, group in groupby(sorted(zip(scores, wrong, strict=True)), key=lambda pair: pair[0]):
        flags = [flag for _, flag in group]
        up = sum(flags)
        area += up * (below + (len(flags) - up) / 2)
        below += len(flags) - up
    return area / (positives * negatives)


def apgr(
    scores: Sequence[float], weak: Sequence[float], strong: Sequence[float] | None = None
) -> float | None:
    """Give the APGR of escalating the highest scores first; ties go in random order.

    Args:
        scores: A score a step.
        weak: How well the weak model does on each, 0 to 1.
        strong: How well the strong one does; always right by default.

    Returns:
        `None` where the strong one is no better than the weak one.

    Example:
        >>> apgr([0.9, 0.1, 0.1, 0.1], [0, 1, 1, 1])
        0.875
    """
    gains = _gains(weak, strong)
    whole = math.fsum(gains)
    if whole <= 0:
        return None
    area = gained = 0.0
    for size, gain in _steps(scores, gains):
        area += size * (gained + gain / 2)
        gained += gain
    return area / (whole * len(scores))


def recovered(
    scores: Sequence[float],
    weak: Sequence[float],
    share: float,
    strong: Sequence[float] | None = None,
) -> float | None:
    """Give the share of the gap that is closed when a share of the steps is escalated.

    Example:
        >>> recovered([0.9, 0.1, 0.1, 0.1], [0, 1, 1, 1], 0.25)
        1.0
    """
    gains = _gains(weak, strong)
    whole = math.fsum(gains)
    if whole <= 0:
        return None
    left, gained = share * len(scores), 0.0
    for size, gain in _steps(scores, gains):
        used = min(1.0, left / size)
        gained += gain * used
        left -= size * used
        if left <= 0:
            break
    return gained / whole


def brier(scores: Sequence[float], wrong: Sequence[bool]) -> float:
    """Give the mean squared error of probabilities; lower is better."""
    return sum((p - w) ** 2 for p, w in zip(scores, wrong, strict=True)) / len(scores)


def log_loss(scores: Sequence[float], wrong: Sequence[bool]) -> float:
    """Give the mean negative log-likelihood of probabilities, in nats; lower is better."""
    total = 0.0
    for p, w in zip(scores, wrong, strict=True):
        total -= math.log(min(max(p if w else 1 - p, 1e-6), 1.0))
    return total / len(scores)


def interval(
    rows: int,
    figure: Callable[[Sequence[int]], float | None],
    *,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Give a bootstrap interval of a figure: percentiles over rows drawn with replacement.

    Args:
        rows: How many there are.
        figure: Works the figure out from the places of the rows drawn.
        draws: How often they are drawn.
        level: Share of the draws inside.
        seed: Makes it repeatable.

    Returns:
        `None` where fewer than half of the draws give a figure.
    """
    chance = random.Random(seed)
    found = []
    for _ in range(draws):
        value = figure([chance.randrange(rows) for _ in range(rows)])
        if value is not None:
            found.append(value)
    if len(found) < draws / 2:
        return None
    found.sort()
    cut = (1 - level) / 2
    return found[int(cut * len(found))], found[min(len(found) - 1, int((1 - cut) * len(found)))]


def _gains(weak: Sequence[float], strong: Sequence[float] | None) -> list[float]:
    best = [1.0] * len(weak) if strong is None else strong
    return [s - w for s, w in zip(best, weak, strict=True)]


def _steps(scores: Sequence[float], gains: Sequence[float]) -> Iterator[tuple[int, float]]:
    """Give the groups of equal scores, highest first, each with its size and its gain."""
    ordered = sorted(zip(scores, gains, strict=True), key=lambda pair: -pair[0])
    for _, group in groupby(ordered, key=lambda pair: pair[0]):
        members = [gain for _, gain in group]
        yield len(members), math.fsum(members)
