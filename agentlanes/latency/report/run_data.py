"""A run as rows of numbers: what the page's script draws the waterfall and the lists from.

Names are in one table and rows refer to them, so that a run of 5,000 steps takes about 2 MB. The
script `assets/dom.js` reads it back (`readRun`), and the order of the columns is theirs alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from agentlanes.latency.facts import first_token_ms
from agentlanes.latency.report.facts import RunFacts
from agentlanes.latency.report.layout import Layout

__all__ = ["run_data"]


class _Names:
    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def place(self, name: str | None) -> int | None:
        return None if name is None else self._places.setdefault(name, len(self._places))

    def all(self) -> list[str]:
        return list(self._places)


def run_data(facts: RunFacts, layout: Layout) -> dict[str, Any]:
    """Write a run as rows.

    Args:
        facts: The run.
        layout: Where its spans stand.

    Returns:
        What `json` can write.
    """
    names = _Names()
    lanes = {lane.key: place for place, lane in enumerate(layout.lanes)}
    places = {span["id"]: place for place, span in enumerate(facts.spans)}
    spans = [
        [
            span["id"],
            names.place(span["kind"]),
            names.place(span["name"]),
            _ms(span["start_ms"]),
            _ms(span["end_ms"]),
            names.place(span["outcome"]),
            lanes[bar.lane],
            bar.row,
            int(bar.nested),
            owner,
            [places[other] for other in span["after"] if other in places],
        ]
        for span, bar, owner in zip(facts.spans, layout.bars, facts.owners, strict=True)
    ]
    path = [
        [
            places.get(part.span_id or "", -1),
            names.place(part.cause),
            _ms(part.start_ms),
            _ms(part.end_ms),
        ]
        for part in (facts.path.segments if facts.path else ())
    ]
    return {
        "wall": _ms(facts.wall_ms),
        "lanes": [[lane.key, lane.title, lane.rows] for lane in layout.lanes],
        "windows": [_ms(at) for at in facts.windows],
        "spans": spans,
        "path": path,
        "steps": _steps(facts, names),
        "proposals": _proposals(facts, names),
        "names": names.all(),
    }


def _steps(facts: RunFacts, names: _Names) -> list[list[Any]]:
    return [
        [
            record["window"],
            names.place(record["node"]),
            names.place(record["lane"]),
            names.place(record["profile"]),
            names.place(record["model"]),
            _ms(record["started_ms"]),
            _ms(first_token_ms(record)),
            _ms(record["duration_ms"]),
            _ms(record["tool_ms"]),
            _ms(record["verdict_wait_ms"]),
            _ms(record["overlap_saved_ms"]),
            _ms(record["wasted_ms"]),
            record["tokens"]["input"],
            record["tokens"]["output"],
            record["tokens"]["reasoning"],
            record["tokens"]["cached"],
            names.place(record["outcome"]),
            record["target_met"],
        ]
        for record in facts.records
    ]


def _proposals(facts: RunFacts, names: _Names) -> list[list[Any]]:
    return [
        [
            one.window,
            one.index,
            names.place(one.kind),
            names.place(one.tool),
            names.place(one.effect),
            int(one.fenced),
            _in_words(one.steps),
            names.place(one.verdict),
            names.place(one.by),
            one.reason,
            names.place(one.outcome),
        ]
        for one in facts.proposals
    ]


def _in_words(tools: Sequence[str]) -> str:
    """Write a plan's tools, the same one in a row once with how often.

    Example:
        >>> _in_words(["stop", "stop", "start"])
        '2 x stop, start'
    """
    runs = ((name, len(list(same))) for name, same in groupby(tools))
    return ", ".join(name if count == 1 else f"{count} x {name}" for name, count in runs)


def _ms(value: float | None) -> float | None:
    """Round to a hundredth of a millisecond: finer than anybody sees, and half the digits."""
    return None if value is None else round(value, 2)
