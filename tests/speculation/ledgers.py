"""Stores that ledgers are tested on, records for them, and processes that share them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentlanes.speculation.ledger import (
    EffectRecord,
    EffectStatus,
    Ledger,
    MemoryLedger,
    open_ledger,
)

STORES = ("memory", "sqlite", "postgres")


def record(key: str = "k", status: EffectStatus = "approved", **facts: Any) -> EffectRecord:
    """Make a record of a call, the same one each time."""
    given = {"run": "r", "thread": "t", "ordinal": 0, "tool": "mail", "args": "{}", **facts}
    return EffectRecord(key=key, status=status, **given)


@dataclass
class Store:
    """A place where records are kept.

    Attributes:
        kind: One of `STORES`.
        where: What `open_ledger` takes; two ledgers at the same place see the same records.
    """

    kind: str
    where: str
    _memory: MemoryLedger = field(default_factory=MemoryLedger)

    def open(self) -> Ledger:
        """Give a ledger as a new process would have it; memory has but one."""
        return self._memory if self.kind == "memory" else open_ledger(self.where)


class Child:
    """Another process with a ledger."""

    def __init__(self, where: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("ledger_child.py"), where],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, **said: Any) -> None:
        """Say what to do."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(said) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """Wait for its answer; `None` when it died."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def do(self, **said: Any) -> Any:
        """Have it do something and give its answer."""
        self.tell(**said)
        return self.answer()

    def end(self) -> None:
        """End it, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


Children = Callable[[str], Child]
