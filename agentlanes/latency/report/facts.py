"""What a report says of a run, worked out once: the terminal, the page and the JSON all read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentlanes.latency.counterfactual import Counterfactuals, counterfactuals
from agentlanes.latency.critical import CriticalPath, critical_path
from agentlanes.latency.economy import Economy, economy
from agentlanes.latency.jsonl import LoggedRun
from agentlanes.latency.prices import Price
from agentlanes.latency.record import StepRecord
from agentlanes.latency.spans import Span

__all__ = ["CAUSES", "Proposal", "RunFacts", "cause_label", "facts_of", "proposals_of", "totals"]

CAUSES: Mapping[str, tuple[str, str]] = {
    "act": ("act lane", "in the act lane"),
    "reason_wait": ("verdicts", "waiting for verdicts"),
    "tool": ("tools", "in tools"),
    "queue": ("queueing", "waiting for a place in a lane"),
    "retry": ("retries", "in failed attempts"),
    "undo": ("undoing", "taking back what ran ahead"),
    "person": ("people", "waiting for a person"),
    "framework": ("the library", "in the library itself"),
}
"""Causes of time on the critical path: a label, and how a sentence says it."""


def cause_label(cause: str) -> str:
    """Name a cause in a table."""
    return CAUSES.get(cause, (cause, cause))[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Something the act lane wanted, with what became of it.

    Attributes:
        window: Its window.
        index: Its place there.
        kind: `call`, `plan` or `finish`.
        tool: The call's tool.
        effect: The tool's effect class.
        fenced: It must not run before its verdict.
        steps: Tools of a plan's steps, in order.
        rides_on: Index of the plan whose verdict is its verdict.
        verdict: `approve`, `reject`, `unknown`, `unavailable`; `None` while there is none.
        by: Who gave it.
        reason: Why.
        outcome: What became of it.
    """

    window: int
    index: int
    kind: str
    tool: str
    effect: str
    fenced: bool
    steps: tuple[str, ...]
    rides_on: int | None
    verdict: str | None
    by: str
    reason: str
    outcome: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """A run as its file tells it, and what follows from that.

    Attributes:
        run: The file's contents.
        spans: Everything that took time, in the order of the records.
        owners: For each span, the position of its record.
        wall_ms: From the run's start to its end; `None` when nothing says.
        path: Where the wall time went; `None` for records of schema 1, which have no spans.
        against: How the run stands against others it might have been; `None` likewise.
        economy: What its contexts took.
        proposals: What was proposed and what was said of it, if the file tells.
    """

    run: LoggedRun
    spans: tuple[Span, ...]
    owners: tuple[int, ...]
    wall_ms: float | None
    path: CriticalPath | None
    against: Counterfactuals | None
    economy: Economy
    proposals: tuple[Proposal, ...]

    @property
    def records(self) -> list[StepRecord]:
        """The step records."""
        return self.run.steps

    @property
    def graph(self) -> str | None:
        """The graph's name; of a file its name, not where on somebody's disk it is."""
        return self.run.graph.rpartition("/")[2] if self.run.graph else None

    @property
    def windows(self) -> list[float]:
        """When each window started, in milliseconds: with its first step."""
        starts: dict[int, float] = {}
        for record in self.records:
            at = record["started_ms"]
            if at is not None:
                starts[record["window"]] = min(at, starts.get(record["window"], at))
        return [at for _, at in sorted(starts.items())]

    @property
    def causes(self) -> dict[str, float]:
        """Milliseconds of the wall time by cause, the largest first."""
        return _largest_first(self.path.totals if self.path else {})


def facts_of(run: LoggedRun, *, prices: Mapping[str, Price] | None = None) -> RunFacts:
    """Work out what a report says of a run.

    Args:
        run: The run.
        prices: What the models' tokens cost; unknown without.
    """
    spans = [
        (span, at) for at, record in enumerate(run.steps) for span in record.get("spans") or ()
    ]
    wall_ms = _wall_ms(run, [span for span, _ in spans])
    return RunFacts(
        run=run,
        spans=tuple(span for span, _ in spans),
        owners=tuple(owner for _, owner in spans),
        wall_ms=wall_ms,
        path=critical_path(run.steps, wall_ms=wall_ms) if spans else None,
        against=counterfactuals(run.steps, wall_ms=wall_ms, prices=prices) if spans else None,
        economy=economy(run.steps),
        proposals=tuple(proposals_of(run.events)),
    )


def totals(runs: Sequence[RunFacts]) -> dict[str, float]:
    """Add up the wall time of runs by cause, the largest first."""
    found: dict[str, float] = {}
    for facts in runs:
        for cause, ms in facts.causes.items():
            found[cause] = found.get(cause, 0.0) + ms
    return _largest_first(found)


def proposals_of(events: Sequence[Mapping[str, Any]]) -> list[Proposal]:
    """Fold the events that a run file keeps into a proposal each, in order."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for event in events:
        if event["type"] == "proposal":
            found[event["window"], event["index"]] = dict(event)
        elif event["type"] == "verdict" and (event["window"], event["index"]) in found:
            found[event["window"], event["index"]]["said"] = event
        elif event["type"] == "settled":
            for index, outcome in enumerate(event["outcomes"]):
                if (event["window"], index) in found:
                    found[event["window"], index]["outcome"] = outcome
    for (window, _), known in found.items():
        plan = found.get((window, known["rides_on"])) if known["rides_on"] is not None else None
        if plan is not None and "said" in plan and "said" not in known:
            by = f"the verdict on plan {window}.{known['rides_on']}"
            known["said"] = {**plan["said"], "by": by, "reason": ""}
    return [_proposal(known) for known in found.values()]


def _largest_first(causes: Mapping[Any, float]) -> dict[str, float]:
    return dict(sorted(((c, ms) for c, ms in causes.items() if ms), key=lambda entry: -entry[1]))


def _proposal(known: Mapping[str, Any]) -> Proposal:
    said = known.get("said") or {}
    return Proposal(
        window=known["window"],
        index=known["index"],
        kind=known["kind"],
        tool=known["tool"],
        effect=known["effect"],
        fenced=known["fenced"],
        steps=tuple(known["steps"]),
        rides_on=known["rides_on"],
        verdict=said.get("status"),
        by=said.get("by", ""),
        reason=said.get("reason", ""),
        outcome=known.get("outcome"),
    )


def _wall_ms(run: LoggedRun, spans: Sequence[Span]) -> float | None:
    result = run.result or {}
    if isinstance(result.get("wall_ms"), int | float):
        return float(result["wall_ms"])
    if isinstance(result.get("wall_s"), int | float):
        return float(result["wall_s"]) * 1000
    return max((span["end_ms"] for span in spans), default=None)
