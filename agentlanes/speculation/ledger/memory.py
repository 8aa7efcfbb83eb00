"""A ledger in this process, for runs that no checkpointer could resume elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agentlanes.errors import LeaseLost, LedgerMismatch
from agentlanes.speculation.ledger.record import MOVES, EffectRecord, Lease

__all__ = ["MemoryLedger", "check_move", "is_pending"]

_OUTCOMES = frozenset({"done", "failed", "unknown", "undone"})
_OPEN = frozenset({"proposed", "approved", "started", "unknown", "undoing"})


class MemoryLedger:
    """A ledger in this process: it survives a retried node, not a crash."""

    def __init__(self) -> None:
        self._records: dict[str, EffectRecord] = {}
        self._tokens: dict[str, int] = {}

    async def acquire(self, thread: str) -> Lease:
        """Take the newest lease on a thread."""
        self._tokens[thread] = self._tokens.get(thread, 0) + 1
        return Lease(thread=thread, token=self._tokens[thread])

    async def get(self, key: str) -> EffectRecord | None:
        """Give the record at a key."""
        return self._records.get(key)

    async def put(self, record: EffectRecord, lease: Lease | None = None) -> None:
        """Keep a record."""
        held = lease is None or self._tokens.get(lease.thread) == lease.token
        check_move(self._records.get(record.key), record)
        if held or record.status in _OUTCOMES:
            self._records[record.key] = replace(record)
        if not held:
            raise LeaseLost(record.thread)

    async def of_run(self, run: str) -> Sequence[EffectRecord]:
        """Give a run's records, in the order of their first writing."""
        return [record for record in self._records.values() if record.run == run]

    async def pending(self, thread: str) -> Sequence[EffectRecord]:
        """Give a thread's records that nobody has settled."""
        return [r for r in self._records.values() if r.thread == thread and is_pending(r)]

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""

    def records(self) -> list[EffectRecord]:
        """Give every record, in the order of their first writing."""
        return list(self._records.values())


def is_pending(record: EffectRecord) -> bool:
    """Say whether nobody has settled a record yet."""
    provisional = record.ahead and record.status == "done"
    return record.status in _OPEN or provisional


def check_move(held: EffectRecord | None, record: EffectRecord) -> None:
    """Refuse a record that cannot follow the one that is held.

    Raises:
        LedgerMismatch: It is of another call, or its status cannot follow.
    """
    # A person may edit a call before approving it; afterwards its arguments are fixed.
    fixed = held is not None and (held.status != "proposed" or held.tool != record.tool)
    if held is not None and fixed and (held.tool, held.args) != (record.tool, record.args):
        raise LedgerMismatch(
            f"the ledger holds {held.tool} at this place of the run, not {record.tool}; the run's "
            "state and its ledger do not belong together"
        )
    before = held.status if held is not None else None
    if record.status != before and record.status not in MOVES[before]:
        raise LedgerMismatch(f"an effect that is {before or 'new'} cannot become {record.status}")
