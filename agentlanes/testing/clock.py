"""An event loop on virtual time: seconds pass at once, and waiting for ever is an error."""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Protocol, TypeVar, cast

from agentlanes.errors import AgentLanesError

__all__ = ["Deadlock", "RealTrafficRefused", "VirtualClock"]

T = TypeVar("T")


class Deadlock(AgentLanesError):
    """Nothing is ready, no timer is set, no thread works: what waits now would wait for ever.

    Attributes:
        now: Virtual seconds at which the loop stood still.
        waiting: Each task that waits: its name, and the chain of calls down to what it awaits.
    """

    def __init__(self, now: float, waiting: tuple[str, ...]) -> None:
        tasks = "".join(f"\n  {task}" for task in waiting) or " nothing: its own task has no await"
        super().__init__(
            f"at {now:g} virtual seconds nothing is left that could wake anybody; waiting:{tasks}\n"
            "A thread that wakes the loop has to be started by run_in_executor or under hold()."
        )
        self.now = now
        self.waiting = waiting


class RealTrafficRefused(AgentLanesError):
    """A socket, a pipe or a process was to be waited for: their time is not virtual."""


class _Runs(Protocol):
    def __call__(self, main: Coroutine[Any, Any, T]) -> T: ...


class _Run:
    """`VirtualClock.run`: on an instance it runs there, on the class on a clock of its own."""

    def __get__(self, clock: VirtualClock | None, owner: type[VirtualClock]) -> _Runs:
        def run(main: Coroutine[Any, Any, T]) -> T:
            if clock is not None:
                return clock.run_until_complete(main)
            try:
                own = owner()
            except BaseException:
                main.close()
                raise
            with own:
                return own.run_until_complete(main)

        return run


class VirtualClock(asyncio.SelectorEventLoop):
    """An event loop whose `time()` jumps to the next timer as soon as nothing else is to be done.

    `asyncio.sleep`, `asyncio.timeout`, `asyncio.wait_for` and every other timer of asyncio take
    no real time and end in the order of their deadlines: a run of minutes takes milliseconds and
    is the same on a slow machine. Time stands still while threads work
    that `run_in_executor` (and so `asyncio.to_thread`) started; a thread of your own is waited
    for under `hold`.

    Models have to be in the process: sockets, pipes and subprocesses raise `RealTrafficRefused`
    when they are waited for. What reads the real clock (`time.monotonic()`) does not see the
    virtual one.

    Args:
        now: Virtual seconds at the start.

    Raises:
        Deadlock: From whatever runs the loop, when what it runs can never end.

    Example:
        >>> async def two_minutes() -> float:
        ...     await asyncio.sleep(120)
        ...     return asyncio.get_running_loop().time()
        >>> VirtualClock.run(two_minutes())
        120.0
        >>> with VirtualClock() as clock:
        ...     _ = clock.run(two_minutes())
        ...     clock.now
        120.0
    """

    run = _Run()
    """Run a coroutine until it ends and give its result."""

    def __init__(self, now: float = 0.0) -> None:
        self._now = now
        self._outside = 0
        self._threads: Executor | None = None
        self._virtual = _VirtualSelector(self)
        super().__init__(self._virtual)
        self._virtual.sealed = True
        self._clock_resolution = max(1e-9, math.ulp(now))

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return self._now

    def time(self) -> float:
        """Virtual seconds, for asyncio."""
        return self._now

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep time from moving while something outside the loop works for it.

        Enter it on the loop's own thread, and wake the loop by `call_soon_threadsafe`.
        """
        self._outside += 1
        try:
            yield
        finally:
            self._outside -= 1

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run a function in a thread; time stands still until it has ended, awaited or not."""
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        if executor is None:
            executor = self._threads = self._threads or ThreadPoolExecutor(
                thread_name_prefix="virtual-clock"
            )
        work = executor.submit(func, *args)
        self._outside += 1
        future = asyncio.wrap_future(work, loop=self)
        # Registered after the future's own callback: the result is handed over before time moves.
        work.add_done_callback(self._thread_ended)
        return future

    def set_default_executor(self, executor: Executor) -> None:
        """Have this executor run what names none; it is shut down with the loop."""
        self._threads = executor

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait until the threads have ended."""
        self._end_threads()

    def close(self) -> None:
        """Close the loop once its threads have ended. Tasks are left as they stand."""
        if not self.is_running():
            self._end_threads()
        super().close()

    def __enter__(self) -> VirtualClock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cancel and await what still runs, then close."""
        try:
            self._cancel_rest()
            self.run_until_complete(self.shutdown_asyncgens())
        finally:
            self.close()

    def _cancel_rest(self) -> None:
        rest = asyncio.all_tasks(self)
        if not rest:
            return
        for task in rest:
            task.cancel()
        self.run_until_complete(asyncio.wait(rest))
        for task in rest:
            if not task.cancelled() and (error := task.exception()) is not None:
                self.call_exception_handler(
                    {"message": "a task failed when it was cancelled", "exception": error}
                )

    def _end_threads(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=True)
            self._threads = None

    def _thread_ended(self, _: Future[Any]) -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile
            self.call_soon_threadsafe(self._let_go)

    def _let_go(self) -> None:
        self._outside -= 1

    def _pass(self, seconds: float | None) -> None:
        """Jump to the next timer."""
        if seconds is None:
            waiting = sorted(_describe(task) for task in asyncio.all_tasks(self))
            raise Deadlock(self._now, tuple(waiting))
        self._now += seconds
        # A timer is due within the clock's resolution, which far from zero is that of a float.
        self._clock_resolution = max(1e-9, math.ulp(self._now))


class _VirtualSelector(selectors.DefaultSelector):
    """Waits for threads in real time, for timers in virtual time, for nothing else at all."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self.sealed = False

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if self.sealed:
            raise RealTrafficRefused(
                "a socket, a pipe or a process was to be waited for on a virtual clock; use "
                "models and tools inside the process, or a real event loop"
            )
        return super().register(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self._clock._outside:
            return super().select(None)
        self._clock._pass(timeout)
        return ready


def _describe(task: asyncio.Task[Any]) -> str:
    """Name a task and the calls it is in, outermost first, with the line of the innermost."""
    chain, where = list[str](), ""
    step = cast("Any", task.get_coro())
    while step is not None:
        chain.append(getattr(step, "__qualname__", type(step).__name__))
        frame, step = _inside(step)
        if frame is not None:
            where = f" ({frame.f_code.co_filename}:{frame.f_lineno})"
    return f"{task.get_name()}: {' > '.join(chain)}{where}"


def _inside(step: Any) -> tuple[Any, Any]:
    """Give the frame of a coroutine, generator or asynchronous generator, and what it awaits."""
    for kind, awaited in (("cr", "cr_await"), ("gi", "gi_yieldfrom"), ("ag", "ag_await")):
        if hasattr(step, awaited):
            return getattr(step, f"{kind}_frame"), getattr(step, awaited)
    return None, None
