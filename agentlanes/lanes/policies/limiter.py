"""Adaptive concurrency: as many requests in flight as an endpoint takes.

As TCP finds its window (Jacobson, 1988; RFC 5681): one more for each success at the limit until the
endpoint first objects, and from then on one more a full round; a factor less after a 429 or a
timeout.
"""

from __future__ import annotations

import threading

from agentlanes.lanes.policies.waiters import Waiters

__all__ = ["Limiter"]


class Limiter:
    """The places of one endpoint. Whoever got one gives it back, exactly once.

    Args:
        start: Places to begin with.
        most: Places at most.
        backoff: Factor on the places after a 429 or a timeout, at most once a round: what was in
            flight already when the places became fewer does not make them fewer still.

    Example:
        >>> limiter = Limiter(start=2)
        >>> limiter.take(), limiter.take(), limiter.take()
        (True, True, False)
        >>> limiter.give_back(1.0, since=0.0, slow=True)
        >>> limiter.limit
        1
    """

    def __init__(self, *, start: int = 16, most: int = 128, backoff: float = 0.7) -> None:
        self._limit, self._most, self._backoff = float(start), most, backoff
        self._in_flight = 0
        self._cut_at = float("-inf")
        self._full = False
        self._lock = threading.Lock()
        self._waiters = Waiters(self._unused)

    @property
    def limit(self) -> int:
        """How many may be in flight."""
        return max(1, int(self._limit))

    @property
    def in_flight(self) -> int:
        """How many are."""
        return self._in_flight

    def take(self, *, force: bool = False) -> bool:
        """Take a place if one is free and nobody waits for it, or in any case."""
        with self._lock:
            if not force and (self._in_flight >= self.limit or len(self._waiters)):
                self._full = True
                return False
            self._in_flight += 1
            return True

    async def queue(self, until: float) -> bool:
        """Wait in line for a place, which is handed over by whoever gives one back.

        Args:
            until: Loop time at which to give up.

        Returns:
            Whether a place was taken.
        """
        return self.take() or await self._waiters.wait(until)

    def give_back(self, now: float, *, since: float, slow: bool = False, ok: bool = True) -> None:
        """Give a place back.

        Args:
            now: The time.
            since: When it was taken.
            slow: Whether the endpoint answered 429, or not in time.
            ok: Whether it answered as it should.
        """
        with self._lock:
            self._in_flight -= 1
            if slow and since >= self._cut_at:
                self._limit = max(1.0, self._limit * self._backoff)
                self._cut_at = now
            elif ok and not slow and self._full:
                more = 1.0 if self._cut_at == float("-inf") else 1.0 / self._limit
                self._limit = min(float(self._most), self._limit + more)
            if self._in_flight == 0:
                self._full = False
        self._hand_over()

    def _hand_over(self) -> None:
        while len(self._waiters):
            with self._lock:
                if self._in_flight >= self.limit:
                    return
                self._in_flight += 1
            if not self._waiters.wake():
                self._unused()

    def _unused(self) -> None:
        with self._lock:
            self._in_flight -= 1
