"""What every ledger decides alike: whether a record is written, and what it looks like at rest."""

from __future__ import annotations

import json
from dataclasses import asdict

from agentlanes.errors import LedgerMismatch, LedgerUnavailable
from agentlanes.speculation.ledger.record import MOVES, EffectRecord, Lease

__all__ = ["check_move", "from_text", "is_pending", "rule_on", "to_text"]

_OUTCOMES = frozenset({"done", "failed", "unknown", "undone"})
_OPEN = frozenset({"proposed", "approved", "started", "unknown", "undoing"})


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
    if record.status == before == "started":
        # Whoever looked before the first one wrote would start it a second time.
        raise LedgerMismatch(
            f"{record.tool} was started already, by another worker or before a crash; resume the "
            "run, which finds out what became of it"
        )
    if record.status != before and record.status not in MOVES[before]:
        raise LedgerMismatch(f"an effect that is {before or 'new'} cannot become {record.status}")


def rule_on(
    held: EffectRecord | None, record: EffectRecord, lease: Lease | None, newest: int | None
) -> tuple[bool, bool]:
    """Decide on a record, in the transaction that would write it.

    Args:
        held: What the ledger holds at its key.
        record: The record.
        lease: The lease it comes under.
        newest: The token of the newest lease on that lease's thread.

    Returns:
        Whether to write it, and whether its lease is lost. Both may be true: the outcome of a
        call is worth having from whoever started it, as long as nobody has settled or started
        it anew since.

    Raises:
        LedgerMismatch: Its lease counts, and it cannot follow what is held.
    """
    if lease is None or lease.token == newest:
        check_move(held, record)
        return True, False
    if held is None or held.attempt != record.attempt:
        return False, True
    if record.status not in _OUTCOMES or held.status == record.status:
        return False, True
    try:
        check_move(held, record)
    except LedgerMismatch:
        return False, True
    return True, True


def to_text(record: EffectRecord) -> str:
    """Write a record down in ASCII: whatever a tool said, any database can keep it."""
    return json.dumps(asdict(record))


def from_text(text: str) -> EffectRecord:
    """Read what `to_text` wrote.

    Raises:
        LedgerUnavailable: It is something else.
    """
    try:
        return EffectRecord(**json.loads(text))
    except (TypeError, ValueError):
        raise LedgerUnavailable(
            f"the ledger holds something that is no record: {text[:80]!r}; a newer agentlanes "
            "wrote it, or it was changed by hand"
        ) from None
