"""One clock for a whole run: milliseconds from its start, also when it is resumed elsewhere.

Stamps are taken on the event loop's monotonic clock, whose zero means nothing outside the process,
so a record holds offsets from the run's start: the moment its first `route` begins. The clock
stands still while nothing runs:

- A run that stopped or crashed and is resumed goes on from the last offset known: the last one
  this process took, or in another process the one in the checkpoint. What was done after that
  checkpoint and before the crash is not counted.
- The exception is a run that waits for a person and is resumed in the same process: there the
  time until the answer counts, as a `person` span.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

__all__ = ["RunClock", "RunClocks", "interval_ms", "offset_ms"]

_KEPT = 4096  # runs remembered; those that have ended are the oldest


def offset_ms(origin: float, at: float) -> float:
    """Give the offset of a loop time from a run's start, in milliseconds, to the microsecond.

    Args:
        origin: Loop time, in seconds, at which the run's clock was at 0.
        at: Loop time in seconds.

    Example:
        >>> offset_ms(100.0, 100.25)
        250.0
    """
    return round((at - origin) * 1e6) / 1e3  # twice as fast as rounding to three digits


def interval_ms(origin: float, start: float, end: float) -> tuple[float, float]:
    """Give the offsets of an interval's start and end: `offset_ms` of both.

    Example:
        >>> interval_ms(100.0, 100.25, 101.0)
        (250.0, 1000.0)
    """
    return offset_ms(origin, start), offset_ms(origin, end)


@dataclass(slots=True)
class RunClock:
    """A run's clock in this process.

    Attributes:
        origin: Loop time, in seconds, at which it was at 0.
        latest_ms: The latest offset it gave.
        invocation: The invocation of the graph it runs in.
        asked_ms: When a person was asked, until the run goes on.
        answers: Questions that were answered, from when until when, and are on no record yet.
    """

    origin: float
    latest_ms: float
    invocation: object
    asked_ms: float | None = None
    answers: list[tuple[float, float]] = field(default_factory=list)

    def now_ms(self) -> float:
        """Give the offset of this moment."""
        return self.at_ms(asyncio.get_running_loop().time())

    def at_ms(self, at: float) -> float:
        """Give the offset of a loop time."""
        ms = offset_ms(self.origin, at)
        self.latest_ms = max(self.latest_ms, ms)
        return ms

    def ask(self) -> None:
        """Note that the run stops here to ask a person."""
        self.asked_ms = self.now_ms()

    def answered(self) -> None:
        """Note that the run goes on, with an answer if somebody was asked."""
        if self.asked_ms is not None:
            self.answers.append((self.asked_ms, self.now_ms()))
            self.asked_ms = None

    def take_answers(self) -> list[tuple[float, float]]:
        """Give the answered questions once, for a record."""
        taken, self.answers = self.answers, []
        return taken


class RunClocks:
    """The clocks of one built graph's runs. No module globals.

    Example:
        >>> async def later() -> float:
        ...     clock = RunClocks().of("run", invocation=object(), known_ms=2000.0)
        ...     return clock.now_ms() - 2000.0
        >>> asyncio.run(later()) < 1000
        True
    """

    def __init__(self) -> None:
        self._held: OrderedDict[str, RunClock] = OrderedDict()

    def of(self, run: str, *, invocation: object, known_ms: float = 0.0) -> RunClock:
        """Give a run's clock.

        Args:
            run: The run's uid.
            invocation: What stands for this invocation of the graph.
            known_ms: The last offset that the run's state knows.
        """
        held = self._held.get(run)
        if held is not None and held.invocation is invocation:
            return held
        if held is not None and held.asked_ms is not None:
            held.invocation = invocation  # the time since then was the person's
            return held
        last = max(known_ms, held.latest_ms if held is not None else 0.0)
        origin = asyncio.get_running_loop().time() - last / 1000
        clock = self._held[run] = RunClock(origin, last, invocation)
        self._held.move_to_end(run)
        while len(self._held) > _KEPT:
            self._held.popitem(last=False)
        return clock
