"""What else a run could have taken: with every verdict awaited, and with none in the way.

Both are replays of what the run did, with each span as long as it was and the same framework time
before it:

- **serial**: every call also waits for all verdicts up to its own, as with `max_run_ahead=0`. What
  was discarded is left out, but for what a serial run does too: the reply that was rejected and the
  verdict that rejected it.
- **bound**: only what counted, and nothing waits for a verdict but an effect and the run's end:
  the longest chain of dependencies. No schedule of the same work is faster.

What running ahead saved is the serial time less the wall time: a difference of times, never a mean
of ratios. What it wasted is work, in milliseconds of both lanes and the tools, tokens and money.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from agentlanes.latency.critical import spans_in
from agentlanes.latency.prices import Price, Work, work_of
from agentlanes.latency.spans import Span

__all__ = ["Counterfactuals", "counterfactuals"]

_WORK = ("act", "reason", "tool", "person")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterfactuals:
    """A run against what it could have taken. Milliseconds.

    Attributes:
        wall_ms: What it took.
        serial_ms: What it would have taken had every verdict been awaited.
        bound_ms: The least it could have taken with perfect overlap.
        saved_ms: `serial_ms` less `wall_ms`; negative where running ahead cost time.
        wasted_ms: Work that was thrown away: the sum of the records' `wasted_ms`.
        spent: All work of the run.
        wasted: Work that was thrown away.
        ahead_wasted: The part of it that a serial run would not have done.
    """

    wall_ms: float
    serial_ms: float
    bound_ms: float
    saved_ms: float
    wasted_ms: float
    spent: Work
    wasted: Work
    ahead_wasted: Work


def counterfactuals(
    records: Iterable[Mapping[str, Any]],
    *,
    wall_ms: float | None = None,
    prices: Mapping[str, Price] | None = None,
) -> Counterfactuals:
    """Compare a run with what it could have taken.

    Args:
        records: The run's step records, from a file or from the state.
        wall_ms: The run's wall time; by default it ends with its last span.
        prices: By model, as `StepRecord.model` names it. A model without one, or a call whose
            tokens are unknown, makes the cost unknown.

    Example:
        >>> def span(id, kind, start, end, *after):
        ...     return {"id": id, "kind": kind, "name": "", "start_ms": start, "end_ms": end,
        ...             "after": list(after), "outcome": "committed"}
        >>> spans = [span("w0.draft0", "act", 0.0, 80.0),
        ...          span("w0.p0.tool", "tool", 80.0, 480.0, "w0.draft0"),
        ...          span("w0.p0.verdict", "reason", 80.0, 980.0, "w0.draft0"),
        ...          span("answer", "act", 980.0, 1060.0, "w0.p0.tool", "w0.p0.verdict")]
        >>> found = counterfactuals([{"spans": spans, "outcome": "committed"}])
        >>> found.serial_ms, found.wall_ms, found.saved_ms, found.bound_ms
        (1460.0, 1060.0, 400.0, 980.0)
    """
    records = list(records)
    replay = _Replay(spans_in(records))
    last = max((span["end_ms"] for span in replay.spans.values()), default=0.0)
    wall = max(wall_ms or 0.0, last)
    rest = wall - last
    serial = replay.serial()
    discarded = {id for id, span in replay.spans.items() if span["outcome"] == "discarded"}
    serial_ms = round(replay.took(serial, serial=True) + rest, 3) if replay.spans else wall
    bound_ms = round(replay.took(replay.counted(), serial=False) + rest, 3)
    wasted = work_of(records, prices or {}, discarded)
    return Counterfactuals(
        wall_ms=wall,
        serial_ms=serial_ms,
        bound_ms=min(bound_ms, wall) if replay.spans else wall,
        saved_ms=round(serial_ms - wall, 3),
        wasted_ms=wasted.ms,
        spent=work_of(records, prices or {}),
        wasted=wasted,
        ahead_wasted=work_of(records, prices or {}, discarded - serial),
    )


class _Replay:
    """Runs a run's spans again under other rules."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._all = {span["id"]: span for span in spans}
        kinds = (*_WORK, "undo")
        self.spans = {span["id"]: span for span in spans if span["kind"] in kinds}
        self._lag = {id: self._lag_of(span) for id, span in self.spans.items()}
        self._verdicts: dict[str, list[tuple[int, str]]] = {}
        for id in self.spans:
            place = _place(id)
            if place is not None and place[2].startswith("verdict"):
                self._verdicts.setdefault(place[0], []).append((place[1], id))

    def counted(self) -> set[str]:
        """Name the spans that count."""
        return {
            id
            for id, span in self.spans.items()
            if span["kind"] in _WORK and span["outcome"] != "discarded"
        }

    def serial(self) -> set[str]:
        """Name the spans that a serial run has too."""
        found = self.counted()
        left, seen = list(found), set(found)
        while left:
            for id in self._before(left.pop()):
                kind = self.spans[id]["kind"]
                if id in seen or kind == "tool":
                    continue
                seen.add(id)
                left.append(id)  # an undo leads to what was rejected
                if kind in ("act", "reason"):
                    found.add(id)
        return found

    def took(self, included: set[str], *, serial: bool) -> float:
        """Say when the last of the spans ends when they are run again."""
        needs = {id: self._needs(id, included, serial=serial) for id in included}
        starts: dict[str, float] = {}
        ends: dict[str, float] = {}
        for id in TopologicalSorter(needs).static_order():
            span = self.spans[id]
            ready = [
                starts[need] + span["start_ms"] - self.spans[need]["start_ms"]
                if self._within(span, need)
                else ends[need]
                for need in needs[id]
            ]
            starts[id] = max(ready, default=0.0) + self._lag[id]
            ends[id] = starts[id] + span["end_ms"] - span["start_ms"]
            if serial:
                ends[id] += span.get("kept_ms", 0.0)  # a serial run has no result to keep
        return max(ends.values(), default=0.0)

    def _lag_of(self, span: Span) -> float:
        """Give what the framework took between the last thing a span waited for and its start."""
        before = [self._all[id] for id in span["after"] if id in self._all]
        ended = max((min(one["end_ms"], span["start_ms"]) for one in before), default=0.0)
        return span["start_ms"] - ended

    def _within(self, span: Span, id: str) -> bool:
        """Say whether a call began while a reply was still coming in."""
        return id in span["after"] and self.spans[id]["end_ms"] > span["start_ms"]

    def _before(self, id: str) -> list[str]:
        """Name the work that a span waited for; waits stand for what they waited for."""
        found: list[str] = []
        left, seen = list(self._all[id]["after"]), set[str]()
        while left:
            one = left.pop()
            if one in seen or one not in self._all:
                continue
            seen.add(one)
            if one in self.spans:
                found.append(one)
            else:
                left += self._all[one]["after"]
        return found

    def _needs(self, id: str, included: set[str], *, serial: bool) -> set[str]:
        """Name the included spans that a span needs; those that are not give way to their own."""
        needs: set[str] = set()
        left, seen = self._before(id), set[str]()
        while left:
            one = left.pop()
            if one in seen or one == id:
                continue
            seen.add(one)
            if not serial and _is_verdict(one) and not _is_effect(id):
                continue
            if one in included:
                needs.add(one)
            else:
                left += self._before(one)
        if serial:
            needs |= self._awaited(id) & included
        return needs - {id}

    def _awaited(self, id: str) -> set[str]:
        """Name the verdicts that a serial run awaits before a call that ran ahead."""
        place = _place(id)
        if place is None or not (place[2] == "tool" or place[2] == "answer"):
            return set()
        window, index, _ = place
        return {id for at, id in self._verdicts.get(window, ()) if at <= index}


def _place(id: str) -> tuple[str, int, str] | None:
    """Read window, proposal and part off an id; an early answer comes after every proposal."""
    window, _, rest = id.partition(".")
    proposal, _, part = rest.partition(".")
    if proposal == "answer":
        return window, 1 << 30, "answer"
    if not part or not proposal[1:].isdigit() or proposal[0] != "p":
        return None
    return window, int(proposal[1:]), part


def _is_verdict(id: str) -> bool:
    place = _place(id)
    return place is not None and place[2].startswith("verdict")


def _is_effect(id: str) -> bool:
    return id.startswith("e")
