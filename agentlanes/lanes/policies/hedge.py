"""Hedging: when an answer takes longer than it should, ask a second endpoint and take the first.

After Dean and Barroso, "The Tail at Scale" (2013): wait until the 95th percentile has passed, so
that few calls are made twice, and keep a bound on how many.
"""

from __future__ import annotations

from agentlanes.lanes.policies.budget import RetryBudget
from agentlanes.lanes.policies.quantiles import Quantiles
from agentlanes.lanes.policies.settings import Resilience

__all__ = ["Hedge"]


class Hedge:
    """Decides when a call of a lane is hedged, at most once a call.

    Args:
        settings: those that begin with `hedge` are read.
        first: Seconds that the latest calls took to begin to answer.
        retries: The retry budget, of which a hedge takes its part.

    Example:
        >>> hedge = Hedge(Resilience(hedge_least=2), Quantiles(), RetryBudget())
        >>> hedge.after_s(0.0) is None  # nothing is known yet
        True
    """

    def __init__(self, settings: Resilience, first: Quantiles, retries: RetryBudget) -> None:
        self._settings, self._first, self._retries = settings, first, retries
        self._own = RetryBudget(ratio=settings.hedge_ratio, per_s=0.0, burst=0.0)

    def count(self, now: float) -> None:
        """Note a call."""
        self._own.count(now)

    def after_s(self, now: float) -> float | None:
        """Say how long to wait for the first endpoint; `None` when the call is not hedged.

        It is not while too little is known, or half of the retries that may be saved up are used.
        """
        settings = self._settings
        if not settings.hedge or len(self._first) < settings.hedge_least:
            return None
        if self._retries.left(now) < settings.retry_burst / 2:
            return None
        late, usual = self._first.at(settings.hedge_quantile), self._first.at(0.5)
        return None if late is None else max(late, settings.hedge_medians * (usual or 0.0))

    def take(self, now: float) -> bool:
        """Ask for the second request, once the wait is over."""
        return self._own.left(now) >= 1 and self._retries.take(now) and self._own.take(now)
