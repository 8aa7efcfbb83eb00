"""An endpoint as a lane's chat model knows it: its clients, and how it has been doing."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from agentlanes.config import Secret
from agentlanes.errors import EndpointDown, EndpointOverloaded
from agentlanes.lanes.clients import Clients
from agentlanes.lanes.lane import Lane, Timers
from agentlanes.lanes.policies.breaker import Breaker
from agentlanes.lanes.policies.budget import RetryBudget
from agentlanes.lanes.policies.hedge import Hedge
from agentlanes.lanes.policies.limiter import Limiter
from agentlanes.lanes.policies.quantiles import Quantiles
from agentlanes.lanes.policies.ratelimit import RateLimit
from agentlanes.lanes.policies.waiters import Waiters
from agentlanes.lanes.retry import AttemptFailed, Shows
from agentlanes.lanes.urls import safe_url

__all__ = ["Endpoint", "Visit"]

_HOLD_JITTER = 0.05


@dataclass(frozen=True, slots=True)
class Visit:
    """A request's place at an endpoint.

    Attributes:
        since: When it was let in.
        probe: Whether it finds out if the endpoint is back.
    """

    since: float
    probe: bool


class Endpoint:
    """One endpoint of a lane. It is owned by the lane's chat model, and shared by its calls.

    Args:
        lane: The lane it belongs to.
        url: Where it is.
        key: Its key.
        timers: Stream timers.
        ambient: Whether it is the environment's endpoint, see `Clients`.

    Attributes:
        clients: Its HTTP clients.
        breaker: Whether it may be asked.
        budget: How many requests may be made again.
        limiter: How many may be under way.
        limits: What it announced of its rate limits.
        first: Seconds until its latest calls began to answer.
        whole: Seconds until they were complete.
        hedge: When a call is hedged.
        news: Who waits for what comes of a probe.
    """

    def __init__(
        self, lane: Lane, url: str, key: Secret | None, timers: Timers, *, ambient: bool = False
    ) -> None:
        self.lane, self.url, self.key, self.timers = lane, url, key, timers
        self.name = safe_url(url)
        self.clients = Clients(url, key, timers, ambient=ambient)
        settings = self.settings = lane.resilience
        self.breaker = Breaker(
            failures=settings.breaker_failures,
            share=settings.breaker_share,
            least=settings.breaker_least,
            window_s=settings.breaker_window_s,
            open_s=settings.breaker_open_s,
            max_open_s=settings.breaker_max_open_s,
        )
        self.budget = RetryBudget(
            ratio=settings.retry_ratio, per_s=settings.retry_per_s, burst=settings.retry_burst
        )
        self.limiter = Limiter(
            start=settings.limit_start, most=settings.limit_max, backoff=settings.limit_backoff
        )
        self.limits = RateLimit(max_hold_s=settings.max_hold_s)
        self.first, self.whole = Quantiles(settings.latencies), Quantiles(settings.latencies)
        self.hedge = Hedge(settings, self.first, self.budget)
        self.news = Waiters()
        self._trouble = ""

    def count(self, now: float) -> None:
        """Note a call, of which retries and hedges may be a share."""
        self.budget.count(now)
        self.hedge.count(now)

    def hold_s(self, now: float) -> float:
        """Say how long its rate limit holds a request; a little more than asked."""
        wait_s = self.limits.wait_s(now)
        return wait_s * (1 + random.uniform(0, _HOLD_JITTER)) if wait_s else 0.0

    def held_too_long(self, now: float) -> AttemptFailed:
        """Say that its rate limit holds for longer than a call may take."""
        wait_s = self.limits.wait_s(now)
        error = EndpointOverloaded(
            f"{self.name} has announced that its rate limit is used up for another {wait_s:.1f} s, "
            "which is longer than this call may take; ask later, or give the lane fallbacks",
            model=self.lane.model,
        )
        return AttemptFailed(error, shows="throttled", sent=False)

    def down(self, now: float) -> AttemptFailed:
        """Say that it is left alone for now."""
        wait_s = self.breaker.retry_in_s(now)
        error = EndpointDown(
            f"{self.name} kept failing and is left alone for {wait_s:.1f} s more "
            f"(last: {self._trouble}); look at the endpoint, or give the lane fallbacks",
            retry_in_s=wait_s,
            model=self.lane.model,
        )
        return AttemptFailed(error, shows="down", sent=False)

    def answered(self, headers: Mapping[str, str], now: float) -> None:
        """Read the headers of an answer."""
        if "x-ratelimit-remaining-requests" in headers or "x-ratelimit-remaining-tokens" in headers:
            self.limits.read(headers, now)

    def waited(self, seconds: float, shows: Shows) -> None:
        """Note how long an answer took that came at once, or how long one was waited for.

        One that was given up for a hedge counts as one that took as long as calls wait before they
        are hedged: leaving it out would make that wait shorter each time, and counting all of it
        would make it longer.
        """
        usual_s = self.first.at(self.settings.hedge_quantile)
        if shows == "answered":
            self.first.add(seconds)
        elif shows == "nothing" and usual_s is not None and seconds >= usual_s:
            self.first.add(usual_s)

    def leave(self, visit: Visit, now: float, shows: Shows, failed: AttemptFailed | None) -> None:
        """Note what came of a request, and give its place back."""
        if failed is not None and shows == "throttled" and failed.retry_after_s:
            self.limits.hold(failed.retry_after_s, now)
        slow = shows in ("throttled", "slow")
        self.limiter.give_back(now, since=visit.since, slow=slow, ok=shows == "answered")
        if shows in ("down", "slow"):
            if failed is not None:
                self._trouble = str(failed.error)
            self.breaker.failed(now, since=visit.since, probe=visit.probe)
        elif shows == "nothing" or (failed is not None and not failed.sent):
            self.breaker.abandoned(probe=visit.probe)
        else:
            self.breaker.succeeded(now, since=visit.since, probe=visit.probe)
        if visit.probe:
            self.news.wake_all()
