"""Every threshold of the policies, by name."""

from __future__ import annotations

import math
from dataclasses import dataclass

from agentlanes.errors import ConfigError

__all__ = ["Resilience"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resilience:
    """How a lane treats an endpoint that fails, throttles or is slow. Times are in seconds.

    Attributes:
        transient_base_s: Longest first wait before a request is made again; it doubles each time.
        throttled_base_s: The same after a 429.
        max_wait_s: Longest wait between two requests, unless the endpoint asks for more.
        retry_ratio: Share of the last minute's calls that may be made again.
        retry_per_s: Further retries a second, so that a quiet lane retries too.
        retry_burst: How many of those may be saved up.
        breaker_failures: Failures in a row that open the breaker.
        breaker_share: Share of failures that opens it.
        breaker_least: Outcomes there must be before the share counts.
        breaker_window_s: How far back the share looks.
        breaker_open_s: Least time it stays open. How long it really is, is drawn anew each time.
        breaker_max_open_s: Longest time it stays open.
        limit_start: Requests in flight to begin with.
        limit_max: Requests in flight at most. A round of successes doubles the limit until the
            endpoint first objects, and adds one from then on.
        limit_backoff: Factor on the limit after a 429 or a timeout.
        max_hold_s: Longest time a rate limit is believed; then one request asks again.
        hedge: Whether the act lane asks a second endpoint when the first is slow. It needs
            `Lane.replicas`.
        hedge_quantile: Share of the latest calls that began to answer sooner than a call that is
            hedged.
        hedge_medians: Nor is a call hedged before it took this many times the median, so that noise
            alone uses up no hedges.
        hedge_least: Calls there must have been before anything is hedged.
        hedge_ratio: Share of the last minute's calls that may be hedged.
        latencies: How many of the latest calls the quantiles are taken from.
        blocked_loop_s: A timer that fires this much late says that the event loop was blocked,
            and nothing of the endpoint; what has arrived meanwhile is read first.

    Raises:
        ConfigError: A value is out of range.

    Example:
        >>> Resilience(retry_ratio=0).retry_per_s
        1.0
    """

    transient_base_s: float = 0.05
    throttled_base_s: float = 1.0
    max_wait_s: float = 20.0
    retry_ratio: float = 0.10
    retry_per_s: float = 1.0
    retry_burst: float = 10.0
    breaker_failures: int = 5
    breaker_share: float = 0.5
    breaker_least: int = 10
    breaker_window_s: float = 30.0
    breaker_open_s: float = 5.0
    breaker_max_open_s: float = 60.0
    limit_start: int = 16
    limit_max: int = 128
    limit_backoff: float = 0.7
    max_hold_s: float = 60.0
    hedge: bool = True
    hedge_quantile: float = 0.95
    hedge_medians: float = 2.0
    hedge_least: int = 20
    hedge_ratio: float = 0.05
    latencies: int = 128
    blocked_loop_s: float = 0.1

    def __post_init__(self) -> None:
        least = {
            "breaker_failures": 1,
            "breaker_least": 1,
            "limit_start": 1,
            "limit_max": self.limit_start,
            "hedge_least": 1,
            "latencies": 1,
            "breaker_max_open_s": self.breaker_open_s,
        }
        for name in self.__slots__:
            value = getattr(self, name)
            if math.isnan(value) or value < least.get(name, 0):
                raise ConfigError(
                    f"{name} is {value:g}; it is at least {least.get(name, 0):g} in Resilience"
                )
        for name in ("retry_ratio", "breaker_share", "limit_backoff", "hedge_quantile"):
            if getattr(self, name) > 1:
                raise ConfigError(f"{name} is {getattr(self, name):g}; it is at most 1")
