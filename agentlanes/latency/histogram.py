"""Latency distributions of many runs: histograms that can be merged, and their quantiles.

Quantiles of parts cannot be averaged into the quantile of the whole. So what is kept of a set of
times is a histogram of high dynamic range (G. Tene, hdrhistogram.org): any two add up to exactly
the histogram of all their times, and a quantile is within 0.1% of the true one, from a microsecond
to a day. `encode` gives the format that the HdrHistogram libraries of other languages read, in
microseconds.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal

from agentlanes.errors import MissingExtra
from agentlanes.latency.facts import was_answered
from agentlanes.latency.record import StepRecord

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

__all__ = ["QUANTILES", "Bin", "Grouping", "Histogram", "Quantiles", "latencies_by"]

QUANTILES = (50.0, 90.0, 95.0, 99.0)
"""The percentiles that are reported."""

Grouping = Literal["lane", "profile", "tool", "model"]

_LONGEST_US = 24 * 3600 * 1_000_000
_DIGITS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """What a histogram says of its times; milliseconds, `None` where it has none.

    Attributes:
        count: Times recorded.
        p50_ms: Half of them are no longer than this.
        p90_ms: Nine in ten.
        p95_ms: Nineteen in twenty.
        p99_ms: Ninety-nine in a hundred.
        max_ms: The longest.
    """

    count: int
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Times from `from_ms` up to `to_ms`, and how many there were."""

    from_ms: float
    to_ms: float
    count: int


class Histogram:
    """Times, mergeable, within 0.1%.

    Args:
        times_ms: Times to begin with, in milliseconds.

    Raises:
        MissingExtra: The package `hdrhistogram` is not installed.

    Example:
        >>> morning, evening = Histogram([80, 90, 100]), Histogram([2000])
        >>> morning.merge(evening)
        >>> morning.quantiles().count, round(morning.quantiles().p99_ms)
        (4, 2000)
    """

    __slots__ = ("_counts",)

    def __init__(self, times_ms: Iterable[float] = ()) -> None:
        self._counts: HdrHistogram = _library()(1, _LONGEST_US, _DIGITS)
        for ms in times_ms:
            self.record(ms)

    def record(self, ms: float) -> None:
        """Add a time. One below 0 counts as 0, one over a day as a day."""
        self._counts.record_value(min(max(0, round(ms * 1000)), _LONGEST_US))

    def merge(self, other: Histogram) -> None:
        """Add all of another's times."""
        self._counts.add(other._counts)

    @property
    def count(self) -> int:
        """Times recorded."""
        return int(self._counts.get_total_count())

    def quantile_ms(self, percent: float) -> float | None:
        """Give the time that `percent` of the times do not exceed; `None` when there is none."""
        return self._at((percent,))[0]

    def quantiles(self) -> Quantiles:
        """Give the percentiles that are reported, and the longest time."""
        *known, longest = self._at((*QUANTILES, 100.0))
        named = {f"p{percent:.0f}_ms": ms for percent, ms in zip(QUANTILES, known, strict=True)}
        return Quantiles(count=self.count, max_ms=longest, **named)

    def _at(self, percents: Sequence[float]) -> list[float | None]:
        if not self.count:
            return [None] * len(percents)
        # The library rounds to the nearest rank; the rank that covers `percent` is the one above.
        counts = self._recorded()
        ends = list(accumulate(count for _, count in counts))
        ranks = (max(1, math.ceil(self.count * percent / 100)) for percent in percents)
        return [counts[bisect_left(ends, rank)][0] / 1000 for rank in ranks]

    def _recorded(self) -> list[tuple[int, int]]:
        """Give each value that was recorded, in microseconds, with its count, rising.

        A value is the highest that the histogram cannot tell from those recorded. (The library's
        own iterators ask for one slot of 27,000 at a time, which takes 100 ms.)
        """
        known = self._counts
        return [
            (known.get_highest_equivalent_value(known.get_value_from_index(slot)), count)
            for slot, count in enumerate(known.counts[:])
            if count
        ]

    def bins(self, per_doubling: int = 2) -> list[Bin]:
        """Sort the times into bins of equal width on a logarithmic scale, for a picture.

        Args:
            per_doubling: Bins between a time and its double.

        Returns:
            From the first bin that holds a time to the last one, empty ones between them too.
        """
        counts: dict[int, int] = {}
        for value, count in self._recorded():
            place = _bin_of(max(value, 1) / 1000, per_doubling)
            counts[place] = counts.get(place, 0) + count
        if not counts:
            return []
        return [
            Bin(
                from_ms=2 ** (place / per_doubling),
                to_ms=2 ** ((place + 1) / per_doubling),
                count=counts.get(place, 0),
            )
            for place in range(min(counts), max(counts) + 1)
        ]

    def encode(self) -> str:
        """Write it in the V2 format of HdrHistogram, compressed, as base64; in microseconds."""
        return str(self._counts.encode().decode("ascii"))

    @classmethod
    def decode(cls, text: str) -> Histogram:
        """Read what `encode` wrote.

        Raises:
            ValueError: It is something else.
        """
        read = cls()
        try:
            read._counts.decode_and_add(text.encode("ascii"))
        except Exception as error:  # the library raises errors of base64, zlib and its own
            raise ValueError("this is no encoded HdrHistogram") from error
        return read


def latencies_by(grouping: Grouping, records: Iterable[StepRecord]) -> dict[str, Histogram]:
    """Collect the times of steps by lane, profile, tool or model.

    A lane call counts with its duration; by profile both lanes' calls are told apart, as
    `retrieval/act`, since a profile's target is about one of them. A tool call counts with its
    own time, from its span; the records of schema 1 name no tools. What has no name or no time is
    left out.

    Args:
        grouping: What to collect them by.
        records: Step records of any number of runs.

    Example:
        >>> from agentlanes.latency.record import blank_record
        >>> record = blank_record(node="act", lane="act", attempts=1, duration_ms=80.0)
        >>> latencies_by("lane", [record])["act"].count
        1
    """
    found: dict[str, Histogram] = {}
    for name, ms in _TIMES[grouping](records):
        if name not in found:
            found[name] = Histogram()
        found[name].record(ms)
    return dict(sorted(found.items()))


Times = Iterable[tuple[str, float]]


def _lane_calls(records: Iterable[StepRecord], key: Literal["lane", "profile", "model"]) -> Times:
    for record in records:
        name, ms = record[key], record["duration_ms"]
        if was_answered(record) and name and ms is not None:
            yield f"{name}/{record['lane']}" if key == "profile" else name, ms


def _tool_calls(records: Iterable[StepRecord]) -> Times:
    for record in records:
        spans: Sequence[Mapping[str, Any]] = record.get("spans") or ()
        for span in spans:
            if span["kind"] == "tool":
                yield span["name"], span["end_ms"] - span["start_ms"]


_TIMES: Mapping[Grouping, Callable[[Iterable[StepRecord]], Times]] = {
    "lane": lambda records: _lane_calls(records, "lane"),
    "profile": lambda records: _lane_calls(records, "profile"),
    "tool": _tool_calls,
    "model": lambda records: _lane_calls(records, "model"),
}


def _bin_of(ms: float, per_doubling: int) -> int:
    return math.floor(math.log2(ms) * per_doubling)


def _library() -> Any:
    try:
        from hdrh.histogram import HdrHistogram
    except ModuleNotFoundError as error:
        raise MissingExtra("a latency histogram", "report") from error
    return HdrHistogram
