"""Results of reads that are known already when their call comes to be made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentlanes.plan import canonical

__all__ = ["KeptReads"]


class KeptReads:
    """What the reads of a discarded window found out, for the window that follows it.

    A corrected plan or draft mostly asks for the same things again. Where nothing that could
    change them has run in between, a result stands for the same call made again: the serial run
    would have made it once, at that time if its verdicts took none. Each is given out once, so a
    call that is made twice on purpose is made twice.

    Example:
        >>> kept = KeptReads()
        >>> kept.keep("look", {"key": "a"}, "7", 0.3)
        >>> kept.take("look", {"key": "a"}), kept.take("look", {"key": "a"})
        (('7', 0.3), None)
    """

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._results: dict[tuple[str, str], list[tuple[str, float]]] = {}

    def keep(self, tool: str, args: Mapping[str, Any], result: str, took_s: float) -> None:
        """Keep a result, and how long the call took."""
        self._results.setdefault((tool, canonical(args)), []).append((result, took_s))

    def take(self, tool: str, args: Mapping[str, Any]) -> tuple[str, float] | None:
        """Give the result of a call and how long it took, or `None` when there is none left."""
        found = self._results.get((tool, canonical(args))) if self._results else None
        return found.pop(0) if found else None

    def clear(self) -> None:
        """Forget everything."""
        self._results.clear()
