"""What admission measures: shares of accepted verdicts, and durations, of the last few."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any

__all__ = ["Median", "Share", "read_duration", "read_share", "read_truth", "refill", "wilson_lower"]


def wilson_lower(accepted: float, total: int, z: float) -> float:
    """Give the lower end of Wilson's score interval for a share; 0 when there is nothing to count.

    Args:
        accepted: How many counted; one may count in part.
        total: Out of how many.
        z: Standard deviations: 1.645 leaves 5% below, 1.96 leaves 2.5%.

    Example:
        >>> round(wilson_lower(8, 10, 1.96), 4)
        0.4902
    """
    if total == 0:
        return 0.0
    spread = z * math.sqrt(accepted * (total - accepted) / total + z * z / 4)
    return max(0.0, (accepted + z * z / 2 - spread) / (total + z * z))


class Share:
    """Approving verdicts among the last few.

    Attributes:
        last: The verdicts.
        accepted: Their sum.
    """

    __slots__ = ("accepted", "last")

    def __init__(self, window: int) -> None:
        """Measure nothing yet; `window` is how many count."""
        self.last: deque[float] = deque(maxlen=window)
        self.accepted = 0.0

    def add(self, accepted: float) -> None:
        """Count a verdict: 1 or 0, or the share of a plan that was left standing."""
        self.last.append(accepted)
        self.accepted = sum(self.last)  # anew: parts added and taken away leave a rest


class Median:
    """The middle of the last few durations, worked out when one comes in.

    Attributes:
        last: The durations, in seconds.
        value: The middle one; `None` until there is one.
    """

    __slots__ = ("last", "value")

    def __init__(self, window: int) -> None:
        """Measure nothing yet; `window` is how many count."""
        self.last: deque[float] = deque(maxlen=window)
        self.value: float | None = None

    def add(self, seconds: float) -> None:
        """Take in a duration."""
        self.last.append(seconds)
        self.value = sorted(self.last)[len(self.last) // 2]


def refill(into: Any, values: list[Any], read: Callable[[Any], Any]) -> None:
    """Add what a snapshot holds to a share or a median."""
    for value in values:
        into.add(read(value))


def read_truth(value: Any) -> bool:
    """Read a truth value; raise `ValueError` for anything else."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def read_share(value: Any) -> float:
    """Read a share from 0 to 1, or a truth value; raise `ValueError` for anything else."""
    share = float(value) if isinstance(value, bool) else read_duration(value)
    if share > 1:
        raise ValueError(f"{value!r} is no share")
    return share


def read_duration(value: Any) -> float:
    """Read a duration in seconds; raise `ValueError` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{value!r} is no duration")
    return float(value)
