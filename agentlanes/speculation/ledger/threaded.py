"""What ledgers have in common whose stores block: threads of their own."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from agentlanes.errors import LeaseLost, LedgerUnavailable
from agentlanes.speculation.ledger.record import EffectRecord, Lease
from agentlanes.speculation.ledger.rules import from_text

__all__ = ["ThreadedLedger", "name_in"]

T = TypeVar("T")


class ThreadedLedger(ABC):
    """A ledger whose work is done by threads of its own.

    Nothing of it belongs to an event loop, so that it works on any, and on one after another. A
    caller that is cancelled while it writes waits for the end of the write, which happens all the
    same; cancelled again, it leaves at once. A ledger that has been used must not be used on both
    sides of a fork.

    Args:
        threads: How many calls the store works on at a time.
    """

    def __init__(self, *, threads: int) -> None:
        self._size = threads
        self._threads: ThreadPoolExecutor | None = None

    async def acquire(self, thread: str) -> Lease:
        """Take the newest lease on a thread."""
        return Lease(thread=thread, token=await self._finish(partial(self._acquire, thread)))

    async def newest(self, thread: str) -> int:
        """Give the token of the newest lease on a thread."""
        return await self._run(partial(self._token, thread))

    async def get(self, key: str) -> EffectRecord | None:
        """Give the record at a key."""
        text = await self._run(partial(self._get, key))
        return from_text(text) if text is not None else None

    async def put(self, record: EffectRecord, lease: Lease | None = None) -> None:
        """Write a record so that it survives a crash, before returning."""
        if await self._finish(partial(self._put, record, lease)) and lease is not None:
            raise LeaseLost(lease.thread)

    async def of_run(self, run: str) -> Sequence[EffectRecord]:
        """Give a run's records, in the order of their first writing."""
        return [from_text(text) for text in await self._run(partial(self._of_run, run))]

    async def pending(self, thread: str) -> Sequence[EffectRecord]:
        """Give a thread's records that nobody has settled."""
        return [from_text(text) for text in await self._run(partial(self._pending, thread))]

    async def aclose(self) -> None:
        """Close connections and end threads; a closed ledger opens again when it is used."""
        threads = self._threads
        if threads is not None:
            await self._finish(self._close)
            self._threads = None
            threads.shutdown(wait=False)

    def _begin(self, work: Callable[[], T]) -> asyncio.Future[T]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._size, thread_name_prefix="ledger")
        try:
            return asyncio.get_running_loop().run_in_executor(self._threads, work)
        except RuntimeError as error:
            raise LedgerUnavailable(
                f"the ledger has no thread to work on ({error}); resume the run"
            ) from error

    async def _run(self, work: Callable[[], T]) -> T:
        return await self._begin(work)

    async def _finish(self, work: Callable[[], T]) -> T:
        """Do work whose end is awaited even when it is cancelled, so that nothing overtakes it."""
        future = self._begin(work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait({future})
            _ = future.cancelled() or future.exception()
            raise

    @abstractmethod
    def _acquire(self, thread: str) -> int: ...

    @abstractmethod
    def _token(self, thread: str) -> int: ...

    @abstractmethod
    def _get(self, key: str) -> str | None: ...

    @abstractmethod
    def _put(self, record: EffectRecord, lease: Lease | None) -> bool:
        """Write a record and say whether its lease is lost."""

    @abstractmethod
    def _of_run(self, run: str) -> list[str]: ...

    @abstractmethod
    def _pending(self, thread: str) -> list[str]: ...

    @abstractmethod
    def _close(self) -> None: ...


def name_in(text: str) -> str:
    r"""Write a name as it is kept in a column: in ASCII, and without NUL.

    Example:
        >>> name_in("user-7|café")
        'user-7|caf\\u00e9'
    """
    return json.dumps(text)[1:-1]
