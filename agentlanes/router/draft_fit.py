"""Fit the draft check's weights: a penalised logistic regression over a handful of features.

Needs numpy (`agentlanes[train]`); imported only when somebody trains.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from agentlanes.errors import ConfigError
from agentlanes.router.draft import EVIDENCE, CheckWeights

__all__ = ["JUDGED", "check_to_json", "fit_check"]

_ALWAYS_WRONG = "schema"
"""A call off its schema is refused by code, so it is decided, not weighed."""

JUDGED = CheckWeights(
    bias=-2.5,
    weights=MappingProxyType(
        {
            "another tool fits better": 2.0,
            "disagreement": 3.0,
            "guessed choices": 1.0,
            "least sure token": 0.25,
            "made up": 1.5,
            "made up and optional": 1.0,
            "one value twice": 0.5,
            "placeholders": 1.0,
            "said and unused": 0.5,
            "surprise": 0.75,
        }
    ),
    quantiles=(0.0, 1.0),
)
"""What the features were thought to be worth before anything was fitted. A few hundred drafts move
these weights; they are too few to find them from nothing."""

_PENALTIES = (1.0, 3.0, 10.0, 30.0)
_FOLDS, _QUANTILES, _STEPS = 5, 21, 2000


def fit_check(
    features: Sequence[Mapping[str, float]],
    wrong: Sequence[bool],
    *,
    groups: Sequence[str] | None = None,
    prior: CheckWeights = JUDGED,
    seed: int = 5,
) -> CheckWeights:
    """Fit weights for one kind of evidence; the penalty is chosen by cross-validation.

    Args:
        features: What `draft_features` gave for each draft, all with the same names.
        wrong: Whether each draft was wrong.
        groups: Drafts of one group stay on one side of every fold.
        prior: Weights the penalty pulls towards. No weight is fitted below zero: a feature may
            only count against a draft, and a sign to the contrary would be chance.
        seed: Of the folds.

    Raises:
        ConfigError: There is nothing to learn from: no drafts, or all right, or all wrong.
    """
    kept = [at for at, f in enumerate(features) if not f.get(_ALWAYS_WRONG)]
    y = np.array([bool(wrong[at]) for at in kept], dtype=float)
    if not len(y) or y.min() == y.max():
        raise ConfigError("drafts of both kinds are needed to learn from: right and wrong ones")
    names = sorted(features[0].keys() - {_ALWAYS_WRONG})
    x = np.array([[features[at].get(name, 0.0) for name in names] for at in kept])
    start = np.array([prior.weights.get(name, 0.0) for name in names])
    folds = _folds([groups[at] if groups else str(at) for at in kept], seed)

    def loss(penalty: float) -> float:
        total = 0.0
        for fold in range(_FOLDS):
            out = folds == fold
            if not out.any() or y[~out].min() == y[~out].max():
                continue
            bias, weights = _logistic(x[~out], y[~out], start, penalty)
            p = np.clip(_sigmoid(bias + x[out] @ weights), 1e-6, 1 - 1e-6)
            total -= float(np.sum(y[out] * np.log(p) + (1 - y[out]) * np.log(1 - p)))
        return total

    losses = {penalty: loss(penalty) for penalty in _PENALTIES}
    penalty = min(_PENALTIES, key=lambda one: (losses[one], -one))
    bias, weights = _logistic(x, y, start, penalty)
    scores = np.ones(len(features))
    scores[kept] = _sigmoid(bias + x @ weights)
    wrong_scores = [score for score, is_wrong in zip(scores, wrong, strict=True) if is_wrong]
    quantiles = np.quantile(wrong_scores, np.linspace(0, 1, _QUANTILES))
    return CheckWeights(
        bias=round(bias, 6),
        weights={n: round(float(w), 6) for n, w in zip(names, weights, strict=True) if w},
        quantiles=tuple(round(float(q), 6) for q in quantiles),
    )


def check_to_json(fitted: Mapping[str, CheckWeights], about: Mapping[str, Any]) -> str:
    """Write weights as `load_check_weights` reads them: the same bytes every time.

    Args:
        fitted: Weights for each of `EVIDENCE`.
        about: What they were fitted on, for people.
    """
    evidence = {
        name: {
            "bias": fitted[name].bias,
            "weights": dict(sorted(fitted[name].weights.items())),
            "quantiles": list(fitted[name].quantiles),
        }
        for name in EVIDENCE
    }
    return json.dumps({"format": 1, "about": dict(about), "evidence": evidence}, indent=1) + "\n"


def _folds(groups: Sequence[str], seed: int) -> Any:
    names = sorted(set(groups))
    places = np.random.default_rng(seed).permutation(len(names)) % _FOLDS
    fold_of = dict(zip(names, places, strict=True))
    return np.array([fold_of[group] for group in groups])


def _logistic(x: Any, y: Any, start: Any, penalty: float) -> tuple[float, Any]:
    """Fit by projected gradient steps; features are of one scale as they are."""
    middle = x.mean(axis=0)
    centred = x - middle
    weights: Any = start.copy()
    bias = 0.0
    step = 1.0 / (0.25 + 0.25 * np.linalg.norm(centred, 2) ** 2 / len(y) + penalty / len(y))
    for _ in range(_STEPS):
        gap = _sigmoid(bias + centred @ weights) - y
        bias -= float(step * gap.mean())
        slope = (centred.T @ gap + penalty * (weights - start)) / len(y)
        weights = np.maximum(weights - step * slope, 0.0)
    return float(bias - middle @ weights), weights


def _sigmoid(z: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-np.clip(z, -60, 60)))
