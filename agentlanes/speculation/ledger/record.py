"""What the effect ledger holds, and what any ledger must do.

A record is written before an effect starts and after it ends, so that a run that is tried again
replays what was done and never does it twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = [
    "MOVES",
    "EffectRecord",
    "EffectStatus",
    "Lease",
    "Ledger",
    "effect_key",
]

EffectStatus = Literal[
    "proposed",
    "approved",
    "started",
    "done",
    "failed",
    "unknown",
    "denied",
    "expired",
    "undoing",
    "undone",
]

MOVES: Mapping[EffectStatus | None, frozenset[EffectStatus]] = {
    None: frozenset({"proposed", "approved", "started"}),
    "proposed": frozenset({"approved", "started", "denied", "expired"}),
    "approved": frozenset({"started", "denied", "expired"}),
    "started": frozenset({"approved", "done", "failed", "unknown", "undoing"}),
    "done": frozenset({"undoing"}),
    "failed": frozenset({"started"}),
    "unknown": frozenset({"done", "failed", "undoing"}),
    "denied": frozenset(),
    "expired": frozenset(),
    "undoing": frozenset({"undone", "unknown"}),
    "undone": frozenset(),
}
"""Which status may follow which; `None` stands for no record. Writing the same status again, with
other facts, is allowed, but for `started`: no effect starts twice. `started` goes back to
`approved` when the tool asked a person
before it did anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectRecord:
    """One call with an effect, at one place of one run.

    Attributes:
        key: `effect_key`, or a random one for a call that ran ahead; also the tool's idempotency
            key.
        run: The run's `uid`.
        thread: The thread's name, or `""` for a run without a checkpointer.
        place: The tasks of the graphs above that the run is in, if there are any.
        ordinal: The call's place among the run's fenced calls, from 0; for calls that ran ahead,
            their place among those.
        tool: The tool's name.
        args: Canonical arguments.
        effect: The effect class.
        plan_version: The plan version that authorised it, if one did.
        ahead: It ran ahead of its verdict and is not committed: it is undone unless it will be.
        status: How far it got. `unknown` is for the tool's `check` or a person to settle.
        attempt: How often it was started, from 1 at the first start; 0 before.
        result: What the tool gave, once `done` or `failed`.
        note: Why, in words: the verdict's reason, a person's, an error's.
    """

    key: str
    run: str
    thread: str
    ordinal: int
    tool: str
    args: str
    place: str = ""
    effect: str = "irreversible"
    plan_version: int | None = None
    ahead: bool = False
    status: EffectStatus = "approved"
    attempt: int = 0
    result: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to act on a thread: only the newest one counts.

    Attributes:
        thread: The thread's name.
        token: Fencing token: each lease of a thread has a higher one than all before it.
    """

    thread: str
    token: int


def effect_key(run: str, ordinal: int) -> str:
    """Give the key of a run's n-th fenced call.

    Arguments are not part of it: two users may send the same mail, and a model that is asked
    again may word a call differently.
    """
    return hashlib.sha256(f"{run}\0{ordinal}".encode()).hexdigest()[:32]


class Ledger(Protocol):
    """Where effects are recorded. Its calls never block the event loop.

    Every call may raise `LedgerUnavailable`: the store cannot be reached, is busy for too long or
    is full. Nothing was written then, or the caller cannot know; the run stops and can be resumed.
    """

    async def acquire(self, thread: str) -> Lease:
        """Take the newest lease on a thread. Leases taken before are fenced out from now on."""
        ...

    async def newest(self, thread: str) -> int:
        """Give the token of the newest lease on a thread; 0 when there was none."""
        ...

    async def get(self, key: str) -> EffectRecord | None:
        """Give the record at a key."""
        ...

    async def put(self, record: EffectRecord, lease: Lease | None = None) -> None:
        """Write a record so that it survives a crash, before returning.

        Args:
            record: The record. Its move from what the ledger holds must be one of `MOVES`.
            lease: The lease under which it is written; checked in the same transaction.

        Raises:
            LeaseLost: The thread has a newer lease. Outcomes (`done`, `failed`, `unknown`,
                `undone`) of a call that this lease started are recorded all the same, since
                knowing them is worth more, and then this is raised.
            LedgerMismatch: Another call (tool or arguments) is recorded at this key, or the move
                is not allowed.
        """
        ...

    async def of_run(self, run: str) -> Sequence[EffectRecord]:
        """Give a run's records, in the order of their first writing."""
        ...

    async def pending(self, thread: str) -> Sequence[EffectRecord]:
        """Give a thread's records, of any run, that nobody has settled.

        These are `proposed`, `approved`, `started`, `unknown` and `undoing` ones, and those that
        ran ahead and are neither committed nor undone, in the order of their first writing.
        """
        ...

    async def aclose(self) -> None:
        """Close connections and end threads; a closed ledger opens again when it is used."""
        ...
