"""Deadlines: of a run, of a step in it, and of an attempt, each inside the one before.

A scope is carried by a context variable, so it reaches every lane call below it, also in tasks
that are started there. Deadlines are loop times (`asyncio.timeout_at` takes them as they are).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from agentlanes.errors import DeadlineExceeded

__all__ = ["Deadline", "Patient", "current", "deadline_scope", "step_scope"]

_GRACE_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """When something has to be over.

    Attributes:
        at: Loop time; `None` for never.
        of: What it is the deadline of.
        step_timeout_s: What each step below gets at most.
    """

    at: float | None = None
    of: Literal["run", "step"] = "run"
    step_timeout_s: float | None = None

    def error(self) -> DeadlineExceeded:
        """Say that it has passed."""
        option = f"{self.of}_timeout_s"
        return DeadlineExceeded(
            f"the {self.of}'s deadline has passed; raise {option}, or see in the step records "
            "where the time went",
            of=self.of,
        )


_scope: ContextVar[Deadline | None] = ContextVar("agentlanes_deadline", default=None)


def current() -> Deadline | None:
    """Give the deadline that holds here, if there is one."""
    return _scope.get()


@contextmanager
def deadline_scope(
    at: float | None,
    *,
    of: Literal["run", "step"] = "run",
    step_timeout_s: float | None = None,
) -> Iterator[Deadline]:
    """Set a deadline for what is done inside. An earlier one around it stays.

    Args:
        at: Loop time.
        of: What it is the deadline of.
        step_timeout_s: Bound on each step inside.

    Example:
        >>> with deadline_scope(100.0):
        ...     with deadline_scope(200.0, of="step") as inner:
        ...         inner.at, inner.of
        (100.0, 'run')
    """
    outer = _scope.get()
    inner = Deadline(at=at, of=of, step_timeout_s=step_timeout_s)
    if outer is not None and outer.at is not None and (at is None or outer.at <= at):
        inner = Deadline(at=outer.at, of=outer.of, step_timeout_s=step_timeout_s)
    token = _scope.set(inner)
    try:
        yield inner
    finally:
        _scope.reset(token)


@asynccontextmanager
async def step_scope() -> AsyncIterator[None]:
    """Bound a step by the deadlines that hold here; costs next to nothing where there are none.

    The lanes' own client ends in time by itself and says more; any other chat model is cancelled
    a moment later.

    Raises:
        DeadlineExceeded: The step, or the run, took too long.
    """
    outer = _scope.get()
    if outer is None:
        yield
        return
    now = asyncio.get_running_loop().time()
    at = None if outer.step_timeout_s is None else now + outer.step_timeout_s
    with deadline_scope(at, of="step") as inner:
        if inner.at is None:
            yield
            return
        if inner.at <= now:
            raise inner.error()
        try:
            async with asyncio.timeout_at(inner.at + _GRACE_S) as timer:
                yield
        except TimeoutError:
            if not timer.expired():
                raise
            late = inner.error()
        else:
            return
    raise late


class Patient:
    """Does what `asyncio.timeout_at` does, but forgives a blocked event loop once.

    A timer that fires late was held up together with everything else in the process. What has
    arrived meanwhile lies in the sockets' buffers, so it is read first, for as long as `blocked_s`.

    Args:
        at: Loop time.
        blocked_s: How much too late a timer fires in a loop that was blocked.

    Raises:
        TimeoutError: As `asyncio.timeout_at` raises it.
    """

    __slots__ = ("_at", "_blocked_s", "_forgiving", "_handle", "_loop", "_timer")

    def __init__(self, at: float, *, blocked_s: float) -> None:
        self._at, self._blocked_s = at, blocked_s
        self._loop = asyncio.get_running_loop()
        self._timer = asyncio.timeout(None)
        # Whoever comes when the time is up already has been forgiven before.
        self._forgiving = at > self._loop.time()

    async def __aenter__(self) -> Self:
        await self._timer.__aenter__()
        self._handle = self._loop.call_at(self._at, self._fire)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.cancel()
        await self._timer.__aexit__(kind, error, trace)

    def _fire(self) -> None:
        if self._forgiving and self._loop.time() - self._at > self._blocked_s:
            self._forgiving = False
            self._handle = self._loop.call_later(self._blocked_s, self._fire)
        else:
            self._timer.reschedule(self._loop.time())
