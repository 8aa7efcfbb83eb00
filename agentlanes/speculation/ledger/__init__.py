"""The effect ledger: what was started, and what is known to have happened."""

from agentlanes.speculation.ledger.memory import MemoryLedger
from agentlanes.speculation.ledger.record import (
    MOVES,
    EffectRecord,
    EffectStatus,
    Lease,
    Ledger,
    ahead_key,
    effect_key,
)

__all__ = [
    "MOVES",
    "EffectRecord",
    "EffectStatus",
    "Lease",
    "Ledger",
    "MemoryLedger",
    "ahead_key",
    "effect_key",
]
