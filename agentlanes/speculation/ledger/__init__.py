"""The effect ledger: what was started, and what is known to have happened."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from agentlanes.speculation.ledger.memory import MemoryLedger
from agentlanes.speculation.ledger.record import (
    MOVES,
    EffectRecord,
    EffectStatus,
    Lease,
    Ledger,
    effect_key,
)

if TYPE_CHECKING:
    from agentlanes.speculation.ledger.opening import open_ledger
    from agentlanes.speculation.ledger.postgres import PostgresLedger
    from agentlanes.speculation.ledger.sqlite import SqliteLedger

__all__ = [
    "MOVES",
    "EffectRecord",
    "EffectStatus",
    "Lease",
    "Ledger",
    "MemoryLedger",
    "PostgresLedger",
    "SqliteLedger",
    "effect_key",
    "open_ledger",
]

# Loaded when they are first used: most runs need no store, and psycopg is an extra.
_LATER = {"PostgresLedger": "postgres", "SqliteLedger": "sqlite", "open_ledger": "opening"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
