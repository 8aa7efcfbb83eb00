"""Whether the event loop ran while something was waited for."""

from __future__ import annotations

import asyncio

__all__ = ["Pulse"]

_BEATS = 16


class Pulse:
    """Beats while a timer runs, and feels how long the event loop stood still meanwhile.

    A timer of two seconds that runs out in a loop that was blocked for most of them says nothing
    about the other side: what it answered was never read. How late the timer itself fired does not
    tell: the loop may have come back just when it was due.

    Args:
        for_s: How long it beats.

    Attributes:
        still_s: Seconds for which the loop stood still so far, as far as beats have felt it.
    """

    __slots__ = ("_due", "_ends", "_every_s", "_handle", "_loop", "still_s")

    def __init__(self, for_s: float) -> None:
        self.still_s = 0.0
        self._loop = asyncio.get_running_loop()
        self._every_s = for_s / _BEATS
        now = self._loop.time()
        self._ends = now + for_s
        self._due = now + self._every_s
        self._handle = self._loop.call_at(self._due, self._beat)

    def stop(self) -> None:
        """Feel no longer."""
        self._handle.cancel()

    def _beat(self) -> None:
        now = self._loop.time()
        self.still_s += now - self._due
        if now < self._ends:
            self._due = now + self._every_s
            self._handle = self._loop.call_at(self._due, self._beat)
