"""A ledger in this process, for runs that no checkpointer could resume elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from agentlanes.errors import LeaseLost
from agentlanes.speculation.ledger.record import EffectRecord, Lease
from agentlanes.speculation.ledger.rules import is_pending, rule_on

__all__ = ["MemoryLedger"]


class MemoryLedger:
    """A ledger in this process: it survives a retried node, not a crash."""

    def __init__(self) -> None:
        self._records: dict[str, EffectRecord] = {}
        self._runs: dict[str, dict[str, None]] = {}  # their keys, in order
        self._tokens: dict[str, int] = {}

    async def acquire(self, thread: str) -> Lease:
        """Take the newest lease on a thread."""
        self._tokens[thread] = self._tokens.get(thread, 0) + 1
        return Lease(thread=thread, token=self._tokens[thread])

    async def newest(self, thread: str) -> int:
        """Give the token of the newest lease on a thread."""
        return self._tokens.get(thread, 0)

    async def get(self, key: str) -> EffectRecord | None:
        """Give the record at a key."""
        return self._records.get(key)

    async def put(self, record: EffectRecord, lease: Lease | None = None) -> None:
        """Keep a record."""
        newest = self._tokens.get(lease.thread) if lease is not None else None
        write, lost = rule_on(self._records.get(record.key), record, lease, newest)
        if write:
            self._records[record.key] = record
            self._runs.setdefault(record.run, {})[record.key] = None
        if lost and lease is not None:
            raise LeaseLost(lease.thread)

    async def of_run(self, run: str) -> Sequence[EffectRecord]:
        """Give a run's records, in the order of their first writing."""
        return [self._records[key] for key in self._runs.get(run, ())]

    async def pending(self, thread: str) -> Sequence[EffectRecord]:
        """Give a thread's records that nobody has settled."""
        return [r for r in self._records.values() if r.thread == thread and is_pending(r)]

    def forget(self, run: str) -> None:
        """Forget a run's records, once it has ended and nothing can resume it."""
        for key in self._runs.pop(run, ()):
            del self._records[key]

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""

    def records(self) -> list[EffectRecord]:
        """Give every record, in the order of their first writing."""
        return list(self._records.values())
