"""Rate limits that an endpoint announces: the next call waits instead of being refused.

Read are OpenAI's headers (https://platform.openai.com/docs/guides/rate-limits), which vLLM's and
other gateways copy: `x-ratelimit-remaining-requests` and `-tokens`, with `x-ratelimit-reset-...`
as a duration (`1s`, `6m0s`, `250ms`) or seconds. Points in time are not read: clocks differ.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["RateLimit", "read_duration_s"]

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|ns|d|h|m|s)")
_UNITS_S = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_KINDS = ("requests", "tokens")


class RateLimit:
    """Until when an endpoint wants to hear nothing.

    Args:
        max_hold_s: Longest time it is believed.

    Example:
        >>> limit = RateLimit()
        >>> limit.read({"x-ratelimit-remaining-requests": "0",
        ...             "x-ratelimit-reset-requests": "1.5s"}, now=10.0)
        >>> limit.wait_s(10.5)
        1.0
    """

    def __init__(self, *, max_hold_s: float = 60.0) -> None:
        self._max_hold_s = max_hold_s
        self._until = float("-inf")

    def read(self, headers: Mapping[str, str], now: float) -> None:
        """Take in what an answer's headers say."""
        for kind in _KINDS:
            if (headers.get(f"x-ratelimit-remaining-{kind}") or "").strip() in ("0", "0.0"):
                wait_s = read_duration_s(headers.get(f"x-ratelimit-reset-{kind}"))
                if wait_s is not None:
                    self.hold(wait_s, now)

    def hold(self, wait_s: float, now: float) -> None:
        """Hold the next calls for so long; what was announced before still counts."""
        self._until = max(self._until, now + min(wait_s, self._max_hold_s))

    def wait_s(self, now: float) -> float:
        """Say how long the next call is held; 0 for not at all."""
        return max(0.0, self._until - now)


def read_duration_s(text: str | None) -> float | None:
    """Read a duration in seconds; `None` for what is none.

    Example:
        >>> read_duration_s("1m0.5s"), read_duration_s("250ms"), read_duration_s("3")
        (60.5, 0.25, 3.0)
        >>> read_duration_s("tomorrow")
    """
    text = (text or "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text or len(text) > 40:
        return None
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)
