"""Retry budget: how many requests may be made again, so that retries never are the outage.

The idea is Finagle's `RetryBudget` (a share of recent calls, and a few a second on top); the
second part is a token bucket here, so that a burst of failures after a quiet hour is bounded too.
"""

from __future__ import annotations

import math
import threading
from collections import deque

__all__ = ["RetryBudget"]

_WINDOW_S = 60
_ROUNDING = 1e-9


class RetryBudget:
    """Retries and hedges of one endpoint, against its calls of the last 60 seconds.

    In `n` calls over `t` seconds at most `ratio * n + burst + per_s * t` requests are granted.

    Args:
        ratio: Share of the calls of the last minute.
        per_s: Granted each second besides.
        burst: How many of those may be saved up.

    Example:
        >>> budget = RetryBudget(ratio=0.1, per_s=0, burst=2)
        >>> for _ in range(10):
        ...     budget.count(now=0.0)
        >>> [budget.take(now=0.0) for _ in range(4)]
        [True, True, True, False]
    """

    def __init__(self, *, ratio: float = 0.10, per_s: float = 1.0, burst: float = 10.0) -> None:
        self._ratio, self._per_s, self._burst = ratio, per_s, burst
        self._saved, self._saved_at = burst, -math.inf
        # [second, calls, granted for them]; at most 61 entries
        self._seconds: deque[list[int]] = deque()
        self._calls = self._granted = 0
        self._lock = threading.Lock()

    def count(self, now: float) -> None:
        """Note a call; only its first request is one."""
        with self._lock:
            self._at(now)[1] += 1
            self._calls += 1

    def left(self, now: float) -> float:
        """Say how many requests would be granted now."""
        with self._lock:
            self._at(now)
            return self._shared() + self._tokens(now)

    def take(self, now: float) -> bool:
        """Ask for one request."""
        with self._lock:
            second = self._at(now)
            if self._shared() >= 1 - _ROUNDING:
                second[2] += 1
                self._granted += 1
                return True
            tokens = self._tokens(now)
            if tokens < 1:
                return False
            self._saved, self._saved_at = tokens - 1, max(now, self._saved_at)
            return True

    def _shared(self) -> float:
        return max(0.0, self._ratio * self._calls - self._granted)

    def _tokens(self, now: float) -> float:
        if self._saved_at == -math.inf:
            self._saved_at = now
        return min(self._burst, self._saved + self._per_s * max(0.0, now - self._saved_at))

    def _at(self, now: float) -> list[int]:
        second = math.floor(now)
        if not self._seconds or self._seconds[-1][0] < second:
            self._seconds.append([second, 0, 0])
        while self._seconds[0][0] <= second - _WINDOW_S:
            _, calls, granted = self._seconds.popleft()
            self._calls -= calls
            self._granted -= granted
        return self._seconds[-1]
