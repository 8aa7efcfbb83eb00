"""Where the time of a run went, from the log of its world alone.

Nothing in these runs waits for the clock but those who write the log, so whoever begins at an
instant was set off by somebody who ended at the very same one; latencies are drawn to the
microsecond, so two that end together by chance are next to impossible (and counted). The truth is
read backwards from the run's end: who ended there, who ended when that one began, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from benchmarks.latency_proof.world import Activity, Kind

__all__ = ["Piece", "Truth", "constructed", "misattributed"]


class Piece(NamedTuple):
    """A stretch of the run with one cause, in microseconds."""

    kind: Kind
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Truth:
    """A run's time, piece by piece, in order; and how often chance had to be asked."""

    pieces: list[Piece]
    ambiguous: int


def constructed(log: Sequence[Activity], start_s: float, end_s: float) -> Truth:
    """Read the truth off a log.

    Raises:
        LookupError: At some instant nobody ended who could have set off what began there.
    """
    ended: dict[int, list[Piece]] = {}
    for activity in log:
        piece = Piece(activity.kind, _us(activity.start), _us(activity.end))
        if piece.end > piece.start:
            ended.setdefault(piece.end, []).append(piece)
    at, start = _us(end_s), _us(start_s)
    pieces: list[Piece] = []
    ambiguous = 0
    while at > start:
        who = ended.get(at)
        if not who:
            raise LookupError(f"nobody ended at {at} us, where something began")
        ambiguous += len({piece.kind for piece in who}) > 1
        piece = max(who, key=lambda piece: piece.start)
        begins = max(piece.start, start)
        pieces.append(Piece(piece.kind, begins, at))
        at = begins
    return Truth(pieces[::-1], ambiguous)


def misattributed(truth: Sequence[Piece], told: Sequence[Piece]) -> int:
    """Give the microseconds that the two do not put down to the same cause."""
    cuts = sorted({cut for piece in (*truth, *told) for cut in (piece.start, piece.end)})
    wrong = 0
    one, two = iter(truth), iter(told)
    mine, theirs = next(one, None), next(two, None)
    for low, high in pairwise(cuts):
        while mine is not None and mine.end <= low:
            mine = next(one, None)
        while theirs is not None and theirs.end <= low:
            theirs = next(two, None)
        first = mine.kind if mine is not None and mine.start <= low else None
        second = theirs.kind if theirs is not None and theirs.start <= low else None
        wrong += (high - low) * (first != second)
    return wrong


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)
