"""Fit on one half of the functions, evaluate on the other; then each row by weights of other rows.

Figures are APGR (`agentlanes.router.value`) of sending the worst-looking steps to the reason lane,
for two stand-ins of that lane: one that is always right (BFCL's ground truth), and the larger
local model as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agentlanes.router import StepFeatures, load_router
from agentlanes.router.draft import EVIDENCE, CheckWeights, DraftCheck, DraftScore
from agentlanes.router.draft_fit import fit_check
from agentlanes.router.value import apgr, auroc, interval
from benchmarks.draft_check.rows import Drafted

__all__ = ["Line", "baselines", "compare", "cross_fitted", "fit_all", "knob"]

_FOLDS = 5
_FULL = EVIDENCE[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One way of choosing, measured.

    Attributes:
        name: What it goes by.
        n: Steps.
        apgr: Against a reason lane that is always right.
        apgr_ci: Its 95% bootstrap interval.
        apgr_second: Against the larger local model.
        auroc: How well it tells wrong drafts from right ones.
    """

    name: str
    n: int
    apgr: float | None
    apgr_ci: tuple[float, float] | None
    apgr_second: float | None
    auroc: float | None


def fit_all(rows: Sequence[Drafted]) -> dict[str, CheckWeights]:
    """Fit weights for each kind of evidence."""
    return {
        evidence: fit_check(
            [row.features(evidence) for row in rows],
            [not row.right for row in rows],
            groups=[row.function for row in rows],
        )
        for evidence in EVIDENCE
    }


def cross_fitted(rows: Sequence[Drafted], seed: int = 5) -> dict[str, list[DraftScore]]:
    """Score every row with weights fitted on the other folds; functions are never split."""
    names = sorted({row.function for row in rows})
    places = np.random.default_rng(seed).permutation(len(names)) % _FOLDS
    fold_of = dict(zip(names, places, strict=True))
    checks = [
        DraftCheck(fit_all([row for row in rows if fold_of[row.function] != fold]))
        for fold in range(_FOLDS)
    ]
    return {
        evidence: [row.score(checks[fold_of[row.function]], evidence) for row in rows]
        for evidence in EVIDENCE
    }


def baselines(rows: Sequence[Drafted]) -> dict[str, list[float]]:
    """Score rows in ways that need no fitting."""
    router = load_router()
    full = [row.features(_FULL) for row in rows]
    own = [row.own_features() for row in rows]

    def each(score: Callable[[Mapping[str, float]], float]) -> list[float]:
        return [score(features) for features in full]

    grounding = ("made up", "made up and optional", "guessed choices", "placeholders")
    return {
        "disagreement alone": each(lambda f: f["disagreement"]),
        "own second sample alone": [features["disagreement"] for features in own],
        "grounding alone": each(lambda f: sum(f[name] for name in grounding)),
        "log-probabilities alone": each(lambda f: f["surprise"]),
        "schema alone": each(lambda f: f["schema"]),
        "gate alone, by the words": [router.score(row.step.text).p_reason for row in rows],
        "gate alone, told of the tools": [
            router.score(row.step.text, StepFeatures(n_tools=len(row.step.tools))).p_reason
            for row in rows
        ],
        "length": [float(len(row.step.text)) for row in rows],
        "random": [0.0] * len(rows),
    }


def compare(rows: Sequence[Drafted], scored: Mapping[str, Sequence[float]]) -> list[Line]:
    """Measure each way of choosing."""
    weak = [float(row.right) for row in rows]
    second = [float(row.second_right) for row in rows]
    lines = []
    for name, scores in scored.items():

        def figure(at: Sequence[int], scores: Sequence[float] = scores) -> float | None:
            return apgr([scores[i] for i in at], [weak[i] for i in at])

        lines.append(
            Line(
                name=name,
                n=len(rows),
                apgr=apgr(scores, weak),
                apgr_ci=interval(len(rows), figure),
                apgr_second=apgr(scores, weak, second),
                auroc=auroc(scores, [w < 1 for w in weak]),
            )
        )
    return lines


def knob(
    rows: Sequence[Drafted], scores: Sequence[DraftScore]
) -> list[tuple[float, float, float, float]]:
    """Say what `quality` comes to, with scores by weights that were fitted on other rows.

    Returns:
        Rows of `quality`, the share of steps verified, the share of wrong drafts among them that
        were caught, and the accuracy with a reason lane that is always right.
    """
    wrong = sum(not row.right for row in rows)
    table = []
    for quality in (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        sent = [not score.passes(quality) for score in scores]
        caught = sum(s and not row.right for s, row in zip(sent, rows, strict=True))
        right = sum(s or row.right for s, row in zip(sent, rows, strict=True))
        share = sum(sent) / len(rows)
        table.append((quality, share, caught / max(1, wrong), right / len(rows)))
    return table
