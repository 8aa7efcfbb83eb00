"""The matrix: every row, in order."""

from __future__ import annotations

from benchmarks.faults import arguments, cancels, deadlines, outage, statuses, streams, tail
from benchmarks.faults.lab import Row

__all__ = ["ROWS"]

_GROUPS = (statuses, streams, arguments, deadlines, cancels, outage, tail)

ROWS: tuple[Row, ...] = tuple(
    sorted((row for group in _GROUPS for row in group.ROWS), key=lambda row: row.number)
)
