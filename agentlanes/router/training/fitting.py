"""Fit the gate's weights to rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from agentlanes.errors import ConfigError, MissingExtra
from agentlanes.router.features import step_features
from agentlanes.router.gate import call_odds
from agentlanes.router.router import StepFeatures
from agentlanes.router.training.logistic import ridge_logistic
from agentlanes.router.training.rows import Row
from agentlanes.router.training.table import Table, tabulate
from agentlanes.router.weights import UNSURE, UNSURE_KINDS, Weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["STEP_WEIGHTS", "check", "fit", "fit_table", "log_odds", "named"]

KIND_RIDGE = 0.01
SHARED_RIDGE = 0.01
OWN_RIDGE = 0.015
"""Penalties, for rows whose weights sum to 1 a kind. Chosen on sources left out."""

SOURCE_SCALE = 10.0
"""How much more freely a source's own bias moves than a weight: its penalty is 100 times less."""

IN_COMMON = 0.5
"""How much of each kind's weights is the mean over all kinds: what holds for a kind never met."""

ALONE = "exam"
"""The kind that is fitted by itself. Its targets are what models miss, not what a maker knows."""

ALONE_RIDGE = 1.0
"""Its penalty, from no weights at all: with outcomes that noisy, small weights order best."""

PRIOR_RIDGE = 12.0
"""Pull towards a prior, in rows: about this many of one kind move a weight half of the way."""

LEAST_SPREAD = 0.4
"""A feature that varies less than this is not stretched further: rare words stay small."""

STEP_WEIGHTS = {
    "tool loop": -0.4,
    "tools": 0.0,
    "required params": 0.0,
    "plan steps left": 0.3,
    "context": 0.0,
    "irreversible": 0.3,
    "tool errors": 0.8,
    "repeated calls": 0.8,
    "refused proposals": 0.8,
}
"""Log-odds for a step's features to begin with. Set by hand: no public data has labelled steps.

What is on offer says nothing until verdicts have been learned from: it only tells that the request
may ask for a call. What is left to do and what went wrong do count.
"""


def fit(rows: Sequence[Row], *, seed: int = 0, prior: Weights | None = None) -> Weights:
    """Fit weights by penalised logistic regression.

    With a `prior` the penalty pulls towards the prior's weights instead of towards none: this is
    how a few hundred labels from use change the shipped gate without forgetting what it knew.
    What a kind of request reads like, and the abstain band, then stay as they are; the weights of
    step features are learned as well, where rows say what is known of their step.

    Args:
        rows: Rows with a target; without a prior, rows of an unknown target teach their kind.
        seed: Written into the weights. Fitting itself draws nothing: same rows, same weights.
        prior: Weights to stay close to, `load_weights()` for the shipped ones.

    Raises:
        ConfigError: There is nothing to learn from: no rows, or all of one lane.
        MissingExtra: numpy is not installed.

    Example:
        >>> rows = [Row(text="hi", target=0.0), Row(text="prove it", target=1.0)]
        >>> fit(rows, seed=1).seed
        1
    """
    check(rows)
    if prior is not None:
        return _refit([row for row in rows if row.target is not None], prior, seed)
    table = tabulate(rows)
    if not any(row.kind for row in rows):
        table.kind[:] = "any"
    return fit_table(named(table), seed=seed)


def check(rows: Sequence[Row]) -> None:
    """Refuse rows that nothing can be learned from.

    Raises:
        ConfigError: No rows, or all of one lane.
        MissingExtra: numpy or threadpoolctl is not installed.
    """
    missing = [name for name in ("numpy", "threadpoolctl") if find_spec(name) is None]
    if missing:
        raise MissingExtra(f"training the router ({', '.join(missing)})", "train")
    targets = [row.target for row in rows if row.target is not None]
    if not any(target > 0.5 for target in targets) or not any(target < 0.5 for target in targets):
        raise ConfigError(
            f"{len(targets)} rows with a target, none of them of one of the lanes: training needs "
            "requests of both"
        )


def fit_table(table: Table, *, seed: int = 0, near: Weights | None = None) -> Weights:
    """Fit weights to rows that all have a kind. See `fit`.

    Args:
        table: The rows.
        seed: Written into the weights.
        near: Weights fitted to much the same rows: a place to begin, for speed alone.
    """
    import numpy as np

    weight = table.balanced()
    mean = np.average(table.x, axis=0, weights=weight)
    spread = np.sqrt(np.average((table.x - mean) ** 2, axis=0, weights=weight))
    spread = np.maximum(spread, LEAST_SPREAD)
    z = (table.x - mean) / spread
    kinds = sorted(set(table.kind.tolist()))
    reads = [
        ridge_logistic(
            z,
            (table.kind == kind).astype(float),
            weight,
            ridge=KIND_RIDGE,
            start=_start(table, kind, near, mean, spread),
        )
        for kind in kinds
    ]
    known = ~np.isnan(table.target) & (table.kind != UNSURE_KINDS[0])
    shared_bias, shared = _within_sources(table.where(known), z[known], weight[known])
    known &= ~np.isin(table.kind, UNSURE_KINDS)  # calls are easier than most, none than another
    hard: list[tuple[float, Floats]] = []
    for kind in kinds:
        rows = known & (table.kind == kind)
        if not np.any(rows):
            odds = 0.0 if kind not in UNSURE_KINDS else math.log(UNSURE / (1 - UNSURE))
            hard.append((odds, np.zeros_like(shared)))
            continue
        if kind == ALONE:
            hard.append(
                ridge_logistic(z[rows], table.target[rows], weight[rows], ridge=ALONE_RIDGE)
            )
            continue
        # The bias is one more column, so that it is pulled towards the shared one like the rest.
        column = np.ones((int(np.sum(rows)), 1))
        _, own = ridge_logistic(
            np.hstack([z[rows], column]),
            table.target[rows],
            weight[rows],
            ridge=OWN_RIDGE,
            around=np.append(shared, shared_bias),
            free_bias=False,
        )
        hard.append((float(own[-1]), own[:-1]))
    hard = _drawn_together(kinds, hard)
    return Weights(
        kinds=tuple(kinds),
        kind_bias=tuple(b - float(np.dot(w, mean / spread)) for b, w in reads),
        kind_text=_by_feature(table.names, [w / spread for _, w in reads]),
        bias=tuple(b - float(np.dot(w, mean / spread)) for b, w in hard),
        text=_by_feature(table.names, [w / spread for _, w in hard]),
        step=STEP_WEIGHTS,
        seed=seed,
    )


def _within_sources(table: Table, z: Floats, weight: Floats) -> tuple[float, Floats]:
    """Fit what makes a request hard beside others of its source, with a bias for each source.

    Which sources are hard is what somebody chose to collect. Without those biases it would be
    taken for what makes a request hard, and mislead on a source never met.
    """
    import numpy as np

    own = table.source[:, None] == np.unique(table.source)
    both = np.hstack([z, SOURCE_SCALE * own])
    _, found = ridge_logistic(both, table.target, weight, ridge=SHARED_RIDGE)
    shared = found[: z.shape[1]]
    nothing = np.zeros((len(z), 1))
    bias, _ = ridge_logistic(nothing, table.target, weight, ridge=1.0, offset=z @ shared)
    return bias, shared


def _drawn_together(
    kinds: Sequence[str], hard: Sequence[tuple[float, Floats]]
) -> list[tuple[float, Floats]]:
    apart = (*UNSURE_KINDS, ALONE) if len(kinds) > 1 else ()
    known = [pair for kind, pair in zip(kinds, hard, strict=True) if kind not in apart]
    bias = sum(b for b, _ in known) / max(1, len(known))
    mean = sum(w for _, w in known) / max(1, len(known))
    own = 1 - IN_COMMON
    return [
        (b, w) if kind in apart else (own * b + IN_COMMON * bias, own * w + IN_COMMON * mean)
        for kind, (b, w) in zip(kinds, hard, strict=True)
    ]


def _start(
    table: Table, kind: str, near: Weights | None, mean: Floats, spread: Floats
) -> Floats | None:
    import numpy as np

    if near is None or kind not in near.kinds:
        return None
    at = near.kinds.index(kind)
    raw = np.array([near.kind_text[name][at] for name in table.names])
    return np.append(near.kind_bias[at] + float(np.dot(raw, mean)), raw * spread)


def log_odds(table: Table, weights: Weights, asks: Sequence[float] = ()) -> tuple[Floats, Floats]:
    """Give each row's log-odds of needing reasoning, and of every kind its probability.

    What `Gate.read` computes one text at a time.

    Args:
        table: The rows.
        weights: What to read them with.
        asks: `call_odds` of each row's step; none by default.
    """
    import numpy as np

    read = np.array([weights.kind_text[name] for name in table.names])
    odds = table.x @ read + np.array(weights.kind_bias)
    unsure = np.isin(weights.kinds, UNSURE_KINDS)
    if len(asks):
        odds[:, unsure] += np.asarray(asks)[:, None]
    odds = np.exp(odds - odds.max(axis=1, keepdims=True))
    likely = odds / odds.sum(axis=1, keepdims=True)
    likely = np.where(likely < 0.005 / likely.sum(axis=1, keepdims=True), 0.0, likely)
    likely /= likely.sum(axis=1, keepdims=True)
    if np.any(unsure):
        calls = likely[:, unsure].sum(axis=1) >= 0.5
        best = np.where(unsure, likely[calls], -1.0).argmax(axis=1)
        likely[calls] = np.eye(len(weights.kinds))[best]
    hard = table.x @ np.array([weights.text[name] for name in table.names])
    return np.sum(likely * (hard + np.array(weights.bias)), axis=1), likely


def named(table: Table) -> Table:
    """Give rows of unknown kind the kind they read like, learned from the others."""
    import numpy as np

    unknown = table.kind == ""
    if np.any(unknown):
        first = fit_table(table.where(~unknown))
        _, likely = log_odds(table.where(unknown), first)
        table.kind[unknown] = np.array(first.kinds)[likely.argmax(axis=1)]
    return table


def _refit(rows: Sequence[Row], prior: Weights, seed: int) -> Weights:
    import numpy as np

    table = tabulate(rows)
    z, _ = log_odds(table, prior, [call_odds(row.text, row.step) for row in rows])
    steps = [step_features(row.step or StepFeatures(new_user_turn=True)) for row in rows]
    names = sorted(steps[0])
    s = np.array([[step[name] for name in names] for step in steps])
    s[[row.step is None for row in rows]] = 0.0
    before = np.array([prior.step.get(name, 0.0) for name in names])
    # One change of bias and of each text weight, shared by all kinds, over what the prior says.
    scale, mean = np.maximum(table.x.std(axis=0), LEAST_SPREAD), table.x.mean(axis=0)
    both = np.hstack([(table.x - mean) / scale, s, np.ones((len(rows), 1))])
    centre = np.concatenate([np.zeros(len(table.names)), before, [0.0]])
    _, moved = ridge_logistic(
        both,
        table.target,
        table.weight,
        ridge=PRIOR_RIDGE,
        around=centre,
        offset=z,
        free_bias=False,
    )
    change = moved[: len(table.names)] / scale
    shift = float(moved[-1]) - float(np.dot(change, mean))
    return Weights(
        kinds=prior.kinds,
        kind_bias=prior.kind_bias,
        kind_text=prior.kind_text,
        bias=tuple(b + shift for b in prior.bias),
        text={
            name: tuple(
                w + float(change[i]) for w in prior.text.get(name, (0.0,) * len(prior.bias))
            )
            for i, name in enumerate(table.names)
        },
        step={name: float(moved[len(table.names) + i]) for i, name in enumerate(names)},
        low=prior.low,
        high=prior.high,
        seed=seed,
    )


def _by_feature(names: Sequence[str], vectors: Sequence[Floats]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(float(v[i]) for v in vectors) for i, name in enumerate(names)}
