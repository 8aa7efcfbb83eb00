"""Retries of a lane call. This is the only layer that retries; tenacity is the engine."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from tenacity import RetryCallState, retry_if_exception, wait_random_exponential

from agentlanes.errors import DeadlineExceeded, EndpointOverloaded, IncompleteReply, LaneError
from agentlanes.lanes.policies.settings import Resilience

__all__ = [
    "TRANSIENT_STATUS",
    "AttemptFailed",
    "Shows",
    "is_transient",
    "retry_after_s",
    "retry_policy",
]

TRANSIENT_STATUS = frozenset({408, 409, 425, 429})
"""Statuses below 500 that may go away by themselves."""

_CLOCKS_AGREE_S = 5.0

Shows = Literal["answered", "throttled", "down", "slow", "nothing"]
"""What an attempt shows of its endpoint: that it is there, that it has enough to do, that it is
not there, that it did not answer in time; nothing, when the request was given up by us."""


class AttemptFailed(Exception):
    """One request failed. Never leaves the lane client, which raises its `error` instead.

    Attributes:
        error: What the caller gets when no further attempt is made.
        retryable: Whether the same request may succeed later.
        retry_after_s: How long the endpoint asked to wait.
        shows: What this shows of the endpoint.
        sent: Whether a request was made at all.
        connecting: Whether the time for the connection ran out.
    """

    def __init__(
        self,
        error: LaneError,
        *,
        retryable: bool = False,
        retry_after_s: float | None = None,
        shows: Shows = "answered",
        sent: bool = True,
        connecting: bool = False,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.shows: Shows = shows
        self.sent = sent
        self.connecting = connecting

    def excuse(self) -> None:
        """Lay it to this process: the endpoint had no chance to answer, so nothing counts."""
        self.shows, self.sent, self.retryable = "nothing", False, True

    @classmethod
    def of(cls, error: LaneError) -> AttemptFailed:
        """Say what an error that this library found itself means for the call."""
        if isinstance(error, DeadlineExceeded):
            return cls(error, shows="slow" if error.of == "attempt" else "nothing")
        if isinstance(error, IncompleteReply) and error.reason == "cut":
            return cls(error, retryable=True, shows="down")
        if isinstance(error, EndpointOverloaded):
            # what the endpoint itself calls a passing failure, in the middle of its reply
            shows: Shows = "throttled" if error.status == 429 else "down"
            return cls(error, retryable=True, shows=shows)
        return cls(error)

    @property
    def elsewhere(self) -> bool:
        """Whether another lane may be asked: this one gave no answer."""
        return self.shows in ("down", "throttled", "slow")


def is_transient(status: int) -> bool:
    """Tell whether a request that was answered with this status may succeed later."""
    return status in TRANSIENT_STATUS or 500 <= status <= 599


def retry_policy(
    settings: Resilience, *, give_up: Callable[[AttemptFailed, float], bool]
) -> dict[str, Any]:
    """Give the arguments of `tenacity.Retrying` or `tenacity.AsyncRetrying` for one call.

    Waits are full jitter: uniform between 0 and `base * 2 ** (attempt - 1)`, with a base of 50 ms,
    or 1 s when the endpoint throttles; or at least what the endpoint asked for.

    Args:
        settings: The bases, and the longest wait.
        give_up: Takes a failure that may be tried again and the wait before that, in seconds; says
            whether no further request is made.

    Example:
        >>> sorted(retry_policy(Resilience(), give_up=lambda failed, wait_s: True))
        ['reraise', 'retry', 'stop', 'wait']
    """
    transient = wait_random_exponential(
        multiplier=settings.transient_base_s, max=settings.max_wait_s
    )
    throttled = wait_random_exponential(
        multiplier=settings.throttled_base_s, max=settings.max_wait_s
    )

    def wait(state: RetryCallState) -> float:
        failed = _failed(state)
        if failed is None:
            return 0.0
        if failed.retry_after_s is not None:
            # a little later than asked, so that callers sent away together do not return together
            return failed.retry_after_s * random.uniform(1.0, 1.1)
        if not failed.sent:
            return random.uniform(0.5, 1.0) * settings.transient_base_s
        return (throttled if failed.shows == "throttled" else transient)(state)

    def stop(state: RetryCallState) -> bool:
        failed = _failed(state)
        return failed is None or give_up(failed, state.upcoming_sleep)

    def retry(error: BaseException) -> bool:
        return isinstance(error, AttemptFailed) and error.retryable

    return {"stop": stop, "wait": wait, "retry": retry_if_exception(retry), "reraise": True}


def retry_after_s(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Read how long the endpoint asks to wait: `retry-after-ms`, seconds, or an HTTP date.

    Only the date needs to know what time it is; nothing else in a lane does. It is read against the
    answer's own `date` where that and the clock here do not agree.

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
    then, sent = _date(said), _date(headers.get("date"))
    if then is None:
        return None
    here = time.time() if now is None else now
    # A clock that was set wrong, here or there, is told by the answer's own date.
    apart = sent is not None and abs(here - sent) > _CLOCKS_AGREE_S
    return max(0.0, then - (sent if apart and sent is not None else here))


def _date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, TypeError, OverflowError):
        return None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _failed(state: RetryCallState) -> AttemptFailed | None:
    failed = state.outcome.exception() if state.outcome else None
    return failed if isinstance(failed, AttemptFailed) else None
