"""The figures of a router on rows: AUROC, accuracy, calibration, APGR, CPT, microseconds.

APGR and CPT are those of RouteLLM (Ong et al., arXiv:2406.18665, section 2). With `r` the score
reached and PGR = (r - weak) / (strong - weak): APGR is PGR averaged over every share of rows that
goes to the strong model, those of the highest scores first; CPT(x) is the least share that
reaches a PGR of x. Rows of equal score go in random order, so each figure is its expectation.
Standard library only.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from agentlanes.router.evaluation.samples import Sample

__all__ = ["Figures", "figures_of"]

DRAWS = 200
"""Bootstrap draws."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is written for one source of a file. `None` where a figure does not apply.

    Attributes:
        file: The file's path, as it was given.
        source: The source, or `all`.
        rows: How many rows.
        auroc: Probability that a hard row scores above an easy one.
        accuracy: Share of labelled rows on the right side of a half.
        ece: Expected calibration error over ten bins of equal width.
        apgr: Average performance gap recovered; 0.5 is random.
        cpt50: Least share of rows sent to the strong model to recover half of the gap.
        cpt80: The same for 80% of it.
        p50_us: Median CPU time of a score, in microseconds.
        p99_us: 99th percentile.
        auroc_ci: 95% bootstrap interval.
        apgr_ci: 95% bootstrap interval.
    """

    file: str
    source: str
    rows: int
    auroc: float | None
    accuracy: float | None
    ece: float | None
    apgr: float | None
    cpt50: float | None
    cpt80: float | None
    p50_us: float | None
    p99_us: float | None
    auroc_ci: tuple[float, float] | None
    apgr_ci: tuple[float, float] | None


def figures_of(
    file: str,
    source: str,
    samples: Sequence[Sample],
    scores: Sequence[float],
    took_us: Sequence[float],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Figures:
    """Work out the figures of a router's scores.

    Args:
        file: Named in the result.
        source: Named in the result.
        samples: The rows.
        scores: The router's score of each.
        took_us: The CPU time of each score, in microseconds; empty when it was not taken.
        draws: Bootstrap draws.
        seed: Makes the intervals repeatable.
    """
    labelled = [(p, s.label) for p, s in zip(scores, samples, strict=True) if s.label is not None]
    paired = [
        (p, s.strong - s.weak)
        for p, s in zip(scores, samples, strict=True)
        if s.weak is not None and s.strong is not None
    ]
    ranks, values = _ranked([p for p, _ in labelled]), [float(y) for _, y in labelled]
    apgr_ranks, gains = _ranked([p for p, _ in paired]), [gain for _, gain in paired]
    chance = random.Random(seed)
    took = sorted(took_us)
    return Figures(
        file=file,
        source=source,
        rows=len(samples),
        auroc=_auroc(ranks, values, None),
        accuracy=_mean([float((p >= 0.5) == bool(y)) for p, y in labelled]),
        ece=_ece(labelled),
        apgr=_apgr(apgr_ranks, gains, None),
        cpt50=_cpt(apgr_ranks, gains, 0.5),
        cpt80=_cpt(apgr_ranks, gains, 0.8),
        p50_us=took[len(took) // 2] if took else None,
        p99_us=took[min(len(took) - 1, int(0.99 * len(took)))] if took else None,
        auroc_ci=_interval(_auroc, ranks, values, draws, chance),
        apgr_ci=_interval(_apgr, apgr_ranks, gains, draws, chance),
    )


def _ranked(scores: Sequence[float]) -> list[list[int]]:
    """Group the places of equal scores, highest scores first."""
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    return [list(places) for _, places in groupby(order, key=lambda i: scores[i])]


def _auroc(
    groups: Sequence[Sequence[int]], labels: Sequence[float], counts: Sequence[int] | None
) -> float | None:
    above = area = negatives = 0.0
    for group in groups:
        up = down = 0.0
        for i in group:
            n = 1 if counts is None else counts[i]
            up += n * labels[i]
            down += n * (1 - labels[i])
        area += down * (above + up / 2)
        above += up
        negatives += down
    return area / (above * negatives) if above and negatives else None


def _apgr(
    groups: Sequence[Sequence[int]], gains: Sequence[float], counts: Sequence[int] | None
) -> float | None:
    area = gained = rows = 0.0
    for group in groups:
        size = gain = 0.0
        for i in group:
            n = 1 if counts is None else counts[i]
            size += n
            gain += n * gains[i]
        area += size * (gained + gain / 2)
        gained += gain
        rows += size
    return area / (gained * rows) if gained > 0 else None


def _cpt(groups: Sequence[Sequence[int]], gains: Sequence[float], share: float) -> float | None:
    whole = sum(gains)
    if whole <= 0:
        return None
    gained = used = 0.0
    for group in groups:
        gain = sum(gains[i] for i in group)
        if gained + gain >= share * whole - 1e-12:
            return (used + len(group) * (share * whole - gained) / gain) / len(gains)
        gained += gain
        used += len(group)
    return 1.0


def _ece(labelled: Sequence[tuple[float, int]]) -> float | None:
    if not labelled:
        return None
    bins: list[list[tuple[float, int]]] = [[] for _ in range(10)]
    for p, y in labelled:
        bins[min(9, int(p * 10))].append((p, y))
    wrong = sum(abs(sum(p for p, _ in b) - sum(y for _, y in b)) for b in bins)
    return wrong / len(labelled)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _interval(
    figure: object,
    groups: Sequence[Sequence[int]],
    values: Sequence[float],
    draws: int,
    chance: random.Random,
) -> tuple[float, float] | None:
    if not callable(figure) or figure(groups, values, None) is None:
        return None
    places = range(len(values))
    found = []
    for _ in range(draws):
        counts = [0] * len(values)
        for i in chance.choices(places, k=len(values)):
            counts[i] += 1
        value = figure(groups, values, counts)
        if value is not None:
            found.append(value)
    if len(found) < draws / 2 or not found:
        return None
    found.sort()
    return found[int(0.025 * len(found))], found[min(len(found) - 1, int(0.975 * len(found)))]
