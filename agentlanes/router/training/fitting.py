"""Fit the gate's weights to rows."""

from __future__ import annotations

from collections.abc import Sequence

from agentlanes.router.training.rows import Row
from agentlanes.router.weights import Weights

__all__ = ["fit"]


def fit(rows: Sequence[Row], *, seed: int = 0, prior: Weights | None = None) -> Weights:
    """Fit weights by penalised logistic regression.

    With a `prior` the penalty pulls towards the prior's weights instead of towards none: this is
    how a few hundred labels from use change the shipped gate without forgetting what it knew.

    Args:
        rows: Rows with a target; those without one are passed over. At least one each way.
        seed: Makes the result repeatable: same rows and seed, same weights.
        prior: Weights to stay close to, `load_weights()` for the shipped ones.

    Raises:
        ConfigError: There is nothing to learn from: no rows, or all of one kind.
        MissingExtra: scikit-learn is not installed.
    """
    raise NotImplementedError
