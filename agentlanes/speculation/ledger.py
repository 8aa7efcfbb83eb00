"""The effect ledger: what was started, and what is known to have happened.

A record is written before an effect starts and after it ends, so that a run that is tried again
replays what was done and never does it twice. This one lives in the process.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Literal, Protocol

__all__ = ["EffectRecord", "Ledger", "MemoryLedger", "effect_key"]

EffectStatus = Literal["approved", "started", "done", "failed", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectRecord:
    """One fenced call at one place of one run.

    Attributes:
        key: `effect_key(run, ordinal)`; also the tool's idempotency key.
        tool: The tool's name.
        args: Canonical arguments.
        plan_version: The plan version that authorised it, if one did.
        status: How far it got. `unknown` is for a person to settle.
        result: What the tool gave, once `done`.
    """

    key: str
    tool: str
    args: str
    plan_version: int | None
    status: EffectStatus = "approved"
    result: str | None = None


def effect_key(run: str, ordinal: int) -> str:
    """Give the key of a run's n-th fenced call.

    Arguments are not part of it: two users may send the same mail, and a model that is asked
    again may word a call differently.
    """
    return hashlib.sha256(f"{run}\0{ordinal}".encode()).hexdigest()[:32]


class Ledger(Protocol):
    """Where effects are recorded. Calls never block the event loop."""

    async def get(self, key: str) -> EffectRecord | None:
        """Give the record at a key."""
        ...

    async def put(self, record: EffectRecord) -> None:
        """Write a record before returning."""
        ...


class MemoryLedger:
    """A ledger in this process: it survives a retried node, not a crash."""

    def __init__(self) -> None:
        self._records: dict[str, EffectRecord] = {}

    async def get(self, key: str) -> EffectRecord | None:
        """Give the record at a key."""
        return self._records.get(key)

    async def put(self, record: EffectRecord) -> None:
        """Keep a copy of the record."""
        self._records[record.key] = replace(record)

    def records(self) -> list[EffectRecord]:
        """Give every record, in the order of their first writing."""
        return list(self._records.values())
