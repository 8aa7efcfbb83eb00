"""The matrix: every row, in order."""

from __future__ import annotations

from benchmarks.faults import arguments, statuses, streams
from benchmarks.faults.lab import Row

__all__ = ["ROWS"]

ROWS: tuple[Row, ...] = (*statuses.ROWS, *streams.ROWS, *arguments.ROWS)
