"""Retries of a lane call. This is the only layer that retries; tenacity is the engine."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from tenacity import (
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

if TYPE_CHECKING:
    from agentlanes.errors import LaneError

__all__ = ["TRANSIENT_STATUS", "AttemptFailed", "is_transient", "retry_after_s", "retry_policy"]

TRANSIENT_STATUS = frozenset({408, 409, 425, 429})
"""Statuses below 500 that may go away by themselves."""

_TRANSIENT = wait_random_exponential(multiplier=0.05, max=2.0)
_THROTTLED = wait_random_exponential(multiplier=1.0, max=20.0)


class AttemptFailed(Exception):
    """One request failed. Never leaves the lane client, which raises its `error` instead.

    Attributes:
        error: What the caller gets when no further attempt is made.
        retryable: Whether the same request may succeed later.
        retry_after_s: How long the endpoint asked to wait.
    """

    def __init__(
        self, error: LaneError, *, retryable: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.retryable = retryable
        self.retry_after_s = retry_after_s


def is_transient(status: int) -> bool:
    """Tell whether a request that was answered with this status may succeed later."""
    return status in TRANSIENT_STATUS or 500 <= status <= 599


def retry_policy(*, max_attempts: int, total_s: float) -> dict[str, Any]:
    """Give the arguments of `tenacity.Retrying` or `tenacity.AsyncRetrying` for one call.

    Waits are full jitter: uniform between 0 and `base * 2 ** (attempt - 1)`, with a base of 50 ms,
    or 1 s when the endpoint throttles, or at least what the endpoint asked for. No attempt begins
    once `total_s` has passed since the first one began.

    Args:
        max_attempts: Requests in all.
        total_s: No wait may end later than this.
    """
    return {
        "stop": stop_after_attempt(max(1, max_attempts)) | stop_before_delay(total_s),
        "wait": _wait,
        "retry": retry_if_exception(
            lambda error: isinstance(error, AttemptFailed) and error.retryable
        ),
        "reraise": True,
    }


def retry_after_s(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Read how long the endpoint asks to wait: `retry-after-ms`, seconds, or an HTTP date.

    Args:
        headers: Of the response.
        now: Seconds since the epoch; the current time by default.

    Returns:
        Seconds, at least 0, or `None` when nothing usable was said.

    Example:
        >>> retry_after_s({"retry-after": "2"})
        2.0
        >>> retry_after_s({"retry-after": "soon"})
    """
    asked = _number(headers.get("retry-after-ms"))
    if asked is not None:
        return asked / 1000
    said = headers.get("retry-after")
    asked = _number(said)
    if asked is not None or said is None:
        return asked
    try:
        then = parsedate_to_datetime(said).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, then - (time.time() if now is None else now))


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _wait(state: RetryCallState) -> float:
    failed = state.outcome.exception() if state.outcome else None
    if not isinstance(failed, AttemptFailed):
        return 0.0
    if failed.retry_after_s is not None:
        # a little later than asked, so that callers sent away together do not return together
        return failed.retry_after_s * random.uniform(1.0, 1.1)
    return (_THROTTLED if failed.error.status == 429 else _TRANSIENT)(state)
