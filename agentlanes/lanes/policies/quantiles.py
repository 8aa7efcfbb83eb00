"""Quantiles of the latest latencies."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque

__all__ = ["Quantiles"]


class Quantiles:
    """The latest values, and their exact quantiles.

    Args:
        size: How many values are kept.

    Example:
        >>> window = Quantiles(3)
        >>> for seconds in (9.0, 1.0, 2.0, 3.0):
        ...     window.add(seconds)
        >>> window.at(0.5), len(window)
        (2.0, 3)
    """

    def __init__(self, size: int = 128) -> None:
        self._size = size
        self._latest: deque[float] = deque()
        self._sorted: list[float] = []

    def __len__(self) -> int:
        return len(self._latest)

    def add(self, value: float) -> None:
        """Take a value in, and drop the oldest when there are too many."""
        if len(self._latest) >= self._size:
            del self._sorted[bisect_left(self._sorted, self._latest.popleft())]
        self._latest.append(value)
        insort(self._sorted, value)

    def at(self, share: float) -> float | None:
        """Give the smallest value that this share of them does not exceed (nearest rank)."""
        values = self._sorted
        if not values:
            return None
        return values[min(len(values), max(1, math.ceil(share * len(values)))) - 1]
