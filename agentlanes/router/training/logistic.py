"""Ridge logistic regression to the last digit, so that rounded weights are equal everywhere.

Newton's method on a strictly convex loss ends at the same point whatever the order of its sums,
up to some 1e-12: far below the six decimals that are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["ridge_logistic"]


def ridge_logistic(
    x: Floats,
    target: Floats,
    weight: Floats,
    *,
    ridge: float,
    around: Floats | None = None,
    offset: Floats | None = None,
    free_bias: bool = True,
    start: Floats | None = None,
    rounds: int = 60,
) -> tuple[float, Floats]:
    """Minimise weighted log loss + ridge / 2 * |w - around|^2. The bias is not penalised.

    Args:
        x: Rows by features.
        target: 0 to 1 a row; a half counts as half a row each way.
        weight: How much each row counts.
        ridge: Penalty, above 0.
        around: Weights to be pulled towards; none by default.
        offset: Log-odds a row that are there already; none by default.
        free_bias: Fit a bias as well; it is 0 otherwise.
        start: Bias and weights to begin at, which changes the time and not the result.
        rounds: Newton steps at most.

    Returns:
        The bias and the weights.
    """
    import numpy as np
    from threadpoolctl import threadpool_limits

    rows, columns = x.shape
    ones = np.ones((rows, 1)) if free_bias else np.zeros((rows, 1))
    full = np.hstack([ones, x])
    pull = np.full(columns + 1, ridge)
    pull[0] = 1e-3 if free_bias else 1.0  # keeps the bias finite where all rows agree
    centre = np.zeros(columns + 1)
    if around is not None:
        centre[1:] = around
    given = np.zeros(rows) if offset is None else offset
    beta = centre.copy() if start is None else start.copy()

    def loss(odds: Floats, at: Floats) -> float:
        fit = np.sum(weight * (np.logaddexp(0.0, odds) - target * odds))
        return float(fit + 0.5 * np.sum(pull * (at - centre) ** 2))

    with threadpool_limits(1):  # threads would only wait for each other on arrays this small
        odds = given + full @ beta
        now = loss(odds, beta)
        for _ in range(rounds):
            p = 1.0 / (1.0 + np.exp(-odds))
            slope = full.T @ (weight * (p - target)) + pull * (beta - centre)
            curve = (full * (weight * p * (1 - p))[:, None]).T @ full + np.diag(pull)
            step = np.linalg.solve(curve, slope)
            size, moved = 1.0, full @ step
            while loss(odds - size * moved, beta - size * step) > now + 1e-12 and size > 1e-4:
                size /= 2
            beta = beta - size * step
            odds = odds - size * moved
            now = loss(odds, beta)
            if float(np.max(np.abs(step))) < 1e-11:
                break
    return float(beta[0]), beta[1:]
