"""Where a call goes, request by request, and when it is given up. Decides; does no I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from agentlanes.errors import IncompleteReply
from agentlanes.lanes.endpoint import Endpoint
from agentlanes.lanes.lane_call import LaneCall
from agentlanes.lanes.policies.deadline import Deadline
from agentlanes.lanes.retry import AttemptFailed, retry_policy

__all__ = ["Route"]

MakeCall = Callable[[Endpoint, float], LaneCall]
"""Writes a call for an endpoint; the second argument is the time."""


class Route:
    """The way of one call through the endpoints of one lane.

    Args:
        endpoints: The lane's own endpoint, then its replicas.
        make: Writes the call for an endpoint.
        clock: The driver's clock.
        limit: The deadline of the run or step that the call is made in.
        made: Requests that other lanes were sent for this call before.

    Attributes:
        made: Requests so far.
        until: When the call has to be over; no request begins that could not end before.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        make: MakeCall,
        *,
        clock: Callable[[], float],
        limit: Deadline | None,
        made: int = 0,
    ) -> None:
        self._endpoints, self._make, self._clock = endpoints, make, clock
        self._lane = endpoints[0].lane
        self._limit = limit
        self._calls: dict[int, LaneCall] = {}
        self._last = endpoints[0]
        self._avoid: Endpoint | None = None
        self._before = made
        self._trouble: AttemptFailed | None = None
        self._counted = False
        self._hedges = 0
        self._began = clock()
        self.made = made
        self.until = self._began + endpoints[0].timers.total_s
        if limit is not None and limit.at is not None:
            self.until = min(self.until, limit.at)

    def next(self, *, hedge: bool = False) -> tuple[Endpoint, LaneCall]:
        """Choose an endpoint for the next request, and write the call for it.

        Raises:
            AttemptFailed: There is none that may be asked.
        """
        now = self._clock()
        if self._limit is not None and self._limit.at is not None and now >= self._limit.at:
            raise AttemptFailed(self._limit.error(), shows="nothing", sent=False)
        endpoint = self._choose(now, hedge)
        if not self._counted:
            self._counted = True
            endpoint.count(now)
        call = self._calls.get(id(endpoint))
        if call is None:
            call = self._calls[id(endpoint)] = self._make(endpoint, self._began)
            call.limit = self._limit
        if not hedge:
            self._last = endpoint
        return endpoint, call

    def begin(self, call: LaneCall) -> None:
        """Note that a request is sent."""
        self.made += 1
        if call.background is None:  # what is made in the background begins by itself
            call.begin(self._clock(), attempts=self.made)

    def failed(self, call: LaneCall, endpoint: Endpoint, failed: AttemptFailed) -> None:
        """Note that it failed."""
        if not failed.sent:
            self.made -= 1
        self._avoid = endpoint if failed.elsewhere else None
        self._trouble = failed
        error = failed.error
        if isinstance(error, IncompleteReply) and error.reason == "exhausted":
            failed.retryable, failed.retry_after_s = call.widen(), 0.0

    def policy(self) -> dict[str, Any]:
        """Give the arguments of the tenacity engine."""
        return retry_policy(self._lane.resilience, give_up=self._give_up)

    def hedge_after_s(self) -> float | None:
        """Say how long to wait before a second endpoint is asked; `None` for never."""
        if len(self._endpoints) < 2 or self._hedges:
            return None
        now = self._clock()
        if not any(self._open(other, now) for other in self._endpoints if other is not self._last):
            return None
        return self._last.hedge.after_s(now)

    def may_hedge(self) -> bool:
        """Ask for the second request."""
        granted = self._last.hedge.take(self._clock())
        self._hedges += granted
        return granted

    def fits(self, wait_s: float, endpoint: Endpoint) -> bool:
        """Say whether a request that begins after a wait can be expected to end in time."""
        usual_s = endpoint.whole.at(0.5) or 0.0
        return self._clock() + wait_s + usual_s <= self.until

    def _give_up(self, failed: AttemptFailed, wait_s: float) -> bool:
        if self.made - self._before >= max(1, self._lane.max_attempts):
            return True
        if not self.fits(wait_s, self._last):
            return True
        return failed.sent and not self._last.budget.take(self._clock())

    def _choose(self, now: float, hedge: bool) -> Endpoint:
        passed = [self._last] if hedge else [self._avoid] if self._avoid else []
        ready = [e for e in self._endpoints if self._open(e, now)]
        free = [e for e in ready if e not in passed and not e.limits.wait_s(now)]
        if free:
            return free[0]
        if ready:
            return min(ready, key=lambda e: (e.limits.wait_s(now), e in passed))
        if self._trouble is not None:  # what it failed with says more than that it is left alone
            raise AttemptFailed(self._trouble.error, shows=self._trouble.shows, sent=False)
        raise min(self._endpoints, key=lambda e: e.breaker.retry_in_s(now)).down(now)

    @staticmethod
    def _open(endpoint: Endpoint, now: float) -> bool:
        return endpoint.breaker.closed or endpoint.breaker.retry_in_s(now) <= 0
