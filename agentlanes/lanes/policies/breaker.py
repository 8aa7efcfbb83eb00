"""Circuit breaker: an endpoint that keeps failing is left alone for a while.

After Nygard, "Release It!": closed, open, and half-open with exactly one probe.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable
from typing import Literal

__all__ = ["Breaker", "Entry"]

Entry = Literal["go", "probe", "wait", "shut"]
"""`go`: make the request. `probe`: make it, and everybody else waits for what comes of it.
`wait`: a probe is under way. `shut`: not now."""


class Breaker:
    """The breaker of one endpoint.

    Whoever is told `go` or `probe` says what came of the request: `succeeded`, `failed`, or
    `abandoned` when it shows nothing, as a cancelled request does. An answer is a success, also
    one of status 429 or 400: the endpoint is there. Safe to share between threads.

    Args:
        failures: Failures in a row that open it.
        share: Share of failures in the window that opens it.
        least: Outcomes there must be in the window before the share counts.
        window_s: How far back the share looks.
        open_s: Least time it stays open.
        max_open_s: Longest time. How long it is, is drawn between `open_s` and twice that, then
            four times, and so on up to this.
        draw: Gives a number from 0 to 1.

    Example:
        >>> breaker = Breaker(failures=2, draw=lambda: 0.0)
        >>> breaker.failed(0.0, since=0.0)
        >>> breaker.failed(0.1, since=0.1)
        >>> breaker.enter(0.2), breaker.retry_in_s(0.1)
        ('shut', 5.0)
        >>> breaker.enter(5.2), breaker.enter(5.2)
        ('probe', 'wait')
        >>> breaker.succeeded(5.3, since=5.2, probe=True)
        >>> breaker.enter(5.4)
        'go'
    """

    def __init__(
        self,
        *,
        failures: int = 5,
        share: float = 0.5,
        least: int = 10,
        window_s: float = 30.0,
        open_s: float = 5.0,
        max_open_s: float = 60.0,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._failures, self._share, self._least = failures, share, least
        self._window_s, self._open_s, self._max_open_s = window_s, open_s, max_open_s
        self._draw = draw
        self._outcomes: deque[tuple[float, bool]] = deque()
        self._bad = self._in_row = self._openings = 0
        self._until: float | None = None  # open, or half-open once this has passed
        self._probing = False
        self._changed = float("-inf")
        self._lock = threading.Lock()

    @property
    def closed(self) -> bool:
        """Whether requests are made as usual."""
        return self._until is None

    def enter(self, now: float) -> Entry:
        """Ask whether a request may be made."""
        if self.closed:  # the hot path takes no lock
            return "go"
        with self._lock:
            until = self._until
            if until is None:
                return "go"
            if now < until:
                return "shut"
            if self._probing:
                return "wait"
            self._probing = True
            return "probe"

    def retry_in_s(self, now: float) -> float:
        """Say how long it stays open; 0 once it is half-open or closed."""
        until = self._until
        return 0.0 if until is None else max(0.0, until - now)

    def succeeded(self, now: float, *, since: float, probe: bool = False) -> None:
        """Note that the endpoint answered.

        Args:
            now: The time.
            since: When the request was let in. What was let in before the breaker last opened or
                closed says nothing any more.
            probe: Whether it was the probe.
        """
        with self._lock:
            if probe:
                self._probing, self._until = False, None
                self._openings = 0
                self._forget(now)
            elif self._until is None and since >= self._changed:
                self._in_row = 0
                self._note(now, bad=False)

    def failed(self, now: float, *, since: float, probe: bool = False) -> None:
        """Note that it did not; arguments as for `succeeded`."""
        with self._lock:
            if probe:
                self._probing = False
                self._open(now)
            elif self._until is None and since >= self._changed:
                self._in_row += 1
                self._note(now, bad=True)
                often = len(self._outcomes) >= self._least
                if self._in_row >= self._failures or (
                    often and self._bad >= self._share * len(self._outcomes)
                ):
                    self._open(now)

    def abandoned(self, *, probe: bool = False) -> None:
        """Note that a request ended without showing anything; the next one probes instead."""
        if probe:
            with self._lock:
                self._probing = False

    def _note(self, now: float, *, bad: bool) -> None:
        self._outcomes.append((now, bad))
        self._bad += bad
        while self._outcomes[0][0] <= now - self._window_s:
            self._bad -= self._outcomes.popleft()[1]

    def _open(self, now: float) -> None:
        self._openings += 1
        top = min(self._max_open_s, self._open_s * 2.0 ** min(self._openings, 32))
        self._until = now + self._open_s + (top - self._open_s) * self._draw()
        self._forget(now)

    def _forget(self, now: float) -> None:
        self._outcomes.clear()
        self._bad = self._in_row = 0
        self._changed = now
