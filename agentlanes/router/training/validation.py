"""Cross-validation that leaves one source out: what the gate would do on data it never saw."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from agentlanes.router.training.fitting import fit_table, log_odds
from agentlanes.router.training.logistic import ridge_logistic
from agentlanes.router.training.table import Table
from agentlanes.router.weights import UNSURE_KINDS, Weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Floats = NDArray[np.float64]

__all__ = ["band", "calibrated", "chances", "left_out", "left_out_odds"]


def left_out(table: Table, whole: Weights) -> Iterator[tuple[str, Weights]]:
    """Give every source with weights fitted without it. `whole` are those fitted to all rows."""
    for source in sorted(set(table.source.tolist())):
        kept = table.source != source
        if kept.any() and not kept.all():
            yield source, fit_table(table.where(kept), near=whole)


def left_out_odds(table: Table, fitted: Sequence[tuple[str, Weights]]) -> tuple[Floats, Flags]:
    """Give each row's log-odds under the weights that never saw its source.

    Returns:
        The log-odds, and whether the row reads like one of the kinds for which the gate abstains.
    """
    import numpy as np

    odds = np.full(len(table.target), float("nan"))
    unsure = np.zeros(len(table.target), dtype=bool)
    for source, weights in fitted:
        rows = table.source == source
        odds[rows], likely = log_odds(table.where(rows), weights)
        unsure[rows] = np.isin(np.array(weights.kinds)[likely.argmax(axis=1)], UNSURE_KINDS)
    return odds, unsure


def chances(odds: Floats) -> Floats:
    """Turn log-odds into probabilities."""
    import numpy as np

    return np.asarray(1.0 / (1.0 + np.exp(-odds)))


def calibrated(
    weights: Weights, table: Table, odds: Floats, unsure: Flags
) -> tuple[Weights, Floats]:
    """Stretch and shift log-odds as rows of left-out sources ask for (Platt scaling, 1999).

    Only real sources count: a made one has no other author's rows to stand in for it. The kinds
    for which the gate abstains keep their probability.

    Args:
        weights: Fitted to all rows.
        table: The rows.
        odds: Log-odds of each under weights that never saw its source.
        unsure: Whether the row reads like a kind for which the gate abstains.

    Returns:
        The weights, and the odds, both calibrated.
    """
    import numpy as np

    real = ~np.isnan(odds) & ~np.isnan(table.target) & ~unsure
    real &= ~np.char.startswith(table.source, "made ")
    if not np.any(real):
        return weights, odds
    shift, slope = ridge_logistic(
        odds[real][:, None], table.target[real], table.where(real).balanced(), ridge=1e-6
    )
    a = float(np.clip(slope[0], 0.25, 1.0))
    fixed = [kind in UNSURE_KINDS for kind in weights.kinds]

    def scaled(vector: Sequence[float], by: float) -> tuple[float, ...]:
        return tuple(x if f else a * x + by for x, f in zip(vector, fixed, strict=True))

    text = {name: scaled(vector, 0.0) for name, vector in weights.text.items()}
    moved = np.where(unsure, odds, a * odds + shift)
    return replace(weights, bias=scaled(weights.bias, shift), text=text), moved


def band(chance: Floats, target: Floats, *, wrong: float = 0.1) -> tuple[float, float]:
    """Give the narrowest band around a half outside of which at most `wrong` are wrong.

    Each end is looked for on its own, in steps of 0.05. No band is wider than 0.2 to 0.8: a gate
    that is never sure is of no use, and the model card says how often it is wrong there.
    """
    low = high = 0.5
    for step in range(10, 3, -1):
        low = step / 20
        below = target[chance < low]
        if len(below) and math.fsum(below) <= wrong * len(below):
            break
    for step in range(10, 17):
        high = step / 20
        above = target[chance >= high]
        if len(above) and math.fsum(1 - above) <= wrong * len(above):
            break
    return low, high
