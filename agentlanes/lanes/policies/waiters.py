"""Who waits for a place or a piece of news: first come, first served, across event loops."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

__all__ = ["Waiters"]


class Waiters:
    """A queue of tasks. Waking is safe from any thread and any event loop.

    Args:
        unused: Called when somebody was woken who has left meanwhile, and nobody else waits.
    """

    def __init__(self, unused: Callable[[], None] = lambda: None) -> None:
        self._queue: deque[asyncio.Future[bool]] = deque()
        self._lock = threading.Lock()
        self._unused = unused

    def __len__(self) -> int:
        return len(self._queue)

    async def wait(self, until: float) -> bool:
        """Wait to be woken.

        Args:
            until: Loop time at which waiting ends anyway.

        Returns:
            Whether it was woken.
        """
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[bool] = loop.create_future()
        with self._lock:
            self._queue.append(woken)
        timer = loop.call_at(until, _resolve, woken, False)
        try:
            return await woken
        except asyncio.CancelledError:
            if woken.done() and not woken.cancelled() and woken.result():
                self._pass_on()  # woken and cancelled at the same moment
            raise
        finally:
            timer.cancel()
            with self._lock:
                if woken in self._queue:
                    self._queue.remove(woken)

    def wake(self) -> bool:
        """Wake the first in line; says whether there was one."""
        while True:
            with self._lock:
                if not self._queue:
                    return False
                first = self._queue.popleft()
            if self._tell(first):
                return True

    def wake_all(self) -> None:
        """Wake everybody who waits now."""
        with self._lock:
            waiting = list(self._queue)
            self._queue.clear()
        for future in waiting:
            self._tell(future)

    def _tell(self, future: asyncio.Future[bool]) -> bool:
        loop = future.get_loop()
        try:
            here = asyncio.get_running_loop() is loop
        except RuntimeError:
            here = False
        if here:
            return _resolve(future, True)
        try:
            loop.call_soon_threadsafe(self._tell_there, future)
        except RuntimeError:  # its loop has ended, and so has whoever waited
            return False
        return True

    def _tell_there(self, future: asyncio.Future[bool]) -> None:
        if not _resolve(future, True):
            self._pass_on()

    def _pass_on(self) -> None:
        if not self.wake():
            self._unused()


def _resolve(future: asyncio.Future[bool], value: bool) -> bool:
    if future.done():
        return False
    future.set_result(value)
    return True
