"""What was proposed, judged and settled, read off what the nodes of a run wrote.

Nobody outside a run hears its custom stream unless they ask for it, so `observe` makes the events
of `agentlanes.nodes.events` anew, without arguments: for run files, whose readers show them beside
the times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agentlanes.latency.record import StepRecord

__all__ = ["judged_events", "proposed_events", "settled_events"]

Event = dict[str, Any]

_SHOWN = ("index", "kind", "tool", "effect", "fenced", "rides_on")
_ID = re.compile(r"w(\d+)\.p(\d+)\.")
_RANK = {"tool": 0, "wait": 1, "reason": 2}


def proposed_events(proposed: Mapping[str, Any]) -> list[Event]:
    """Say what the act branch of a window proposed, and which verdicts it knows of."""
    window = proposed["window"]
    events: list[Event] = []
    for proposal in proposed["proposals"]:
        shown = {key: proposal[key] for key in _SHOWN}
        steps = [{"tool": step.get("tool")} for step in proposal["steps"]]
        events.append({"type": "agentlanes.proposal", "window": window, **shown, "steps": steps})
        if proposal["verdict"] is not None:
            events.append(_verdict(window, proposal["index"], proposal["verdict"]))
    return events


def judged_events(judged: Mapping[str, Any]) -> list[Event]:
    """Say what the verdicts of a window are."""
    told = judged["verdicts"].items()
    return [_verdict(judged["window"], int(index), verdict) for index, verdict in told]


def settled_events(records: Sequence[StepRecord], proposals: Mapping[int, int]) -> list[Event]:
    """Say what became of the proposals of settled windows, as far as their spans say it.

    Args:
        records: Records that were made together.
        proposals: How many proposals each window has that is to be settled.
    """
    fates: dict[int, dict[int, tuple[int, Any]]] = {}
    for span in (span for record in records for span in record.get("spans") or ()):
        place = _ID.match(span["id"])
        if place is not None and span["kind"] in _RANK:
            known = fates.setdefault(int(place[1]), {})
            found = (_RANK[span["kind"]], span["outcome"])
            known[int(place[2])] = min(known.get(int(place[2]), found), found, key=lambda f: f[0])
    return [
        {
            "type": "agentlanes.settled",
            "window": window,
            "outcomes": [fates.get(window, {}).get(i, (0, None))[1] for i in range(count)],
        }
        for window, count in _of(records, proposals)
    ]


def _of(records: Sequence[StepRecord], proposals: Mapping[int, int]) -> Iterable[tuple[int, int]]:
    windows = dict.fromkeys(record["window"] for record in records)
    return [(window, proposals[window]) for window in windows if window in proposals]


def _verdict(window: int, index: int, verdict: Mapping[str, Any]) -> Event:
    said = {key: verdict[key] for key in ("status", "by", "reason")}
    return {"type": "agentlanes.verdict", "window": window, "index": index, **said}
