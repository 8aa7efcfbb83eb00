"""Points a process passes, and what happens to it there: it dies, waits or is slow."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Points", "die"]

_WAIT_S = 60.0


def die() -> None:
    """End this process as `kill -9` does: no handler, no cleanup, nothing flushed."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


@dataclass(slots=True, kw_only=True)
class Points:
    """The points of one process.

    Attributes:
        kill_at: Name of the point to die at, on its `kill_nth` passing.
        kill_nth: From 1.
        kill_step: Die at the n-th point of all, whatever its name.
        gates: Points to wait at, once each: a file says that the process is there, another one
            lets it go on.
        slow: Seconds to lose at a point each time; for all whose name begins so.
        full_at: From this point on no file of the process can be written: the disk is full.
        passed: Names, in the order of passing.
    """

    kill_at: str | None = None
    kill_nth: int = 1
    kill_step: int | None = None
    gates: dict[str, str] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)
    full_at: str | None = None
    passed: list[str] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)

    async def reach(self, name: str) -> None:
        """Pass a point, or do not."""
        self.passed.append(name)
        self._counts[name] += 1
        if len(self.passed) == self.kill_step:
            die()
        if name == self.kill_at and self._counts[name] == self.kill_nth:
            die()
        if name == self.full_at:
            _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
        for prefix, seconds in self.slow.items():
            if name.startswith(prefix):
                await asyncio.sleep(seconds)
        gate = self.gates.pop(name, None)
        if gate is not None:
            await _wait_at(Path(gate))


async def _wait_at(gate: Path) -> None:
    """Say that a process is here, and wait to be let through."""
    gate.with_suffix(f".{os.getpid()}.here").touch()
    ends = time.monotonic() + _WAIT_S
    while not await asyncio.to_thread(gate.exists):
        if time.monotonic() > ends:
            raise TimeoutError(f"nobody opened {gate.name}")
        await asyncio.sleep(0.002)


def points_of(told: dict[str, Any]) -> Points:
    """Make points from a job's words."""
    return Points(**told)
