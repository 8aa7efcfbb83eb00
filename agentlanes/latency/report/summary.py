"""Everything a report says, gathered once, so that terminal, page and JSON say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agentlanes.errors import MissingExtra
from agentlanes.latency.compare import Change, RunSample, compare
from agentlanes.latency.histogram import Grouping, Histogram, latencies_by
from agentlanes.latency.jsonl import LoggedRun
from agentlanes.latency.prices import Price
from agentlanes.latency.report.facts import RunFacts, facts_of, totals
from agentlanes.latency.report.headline import headline, headline_of_all
from agentlanes.latency.slo import PROFILE_SLOS, OwnShare, Slo, SloCheck, check, own_share

__all__ = ["GROUPINGS", "REPORT_VERSION", "Report", "gather"]

GROUPINGS: tuple[Grouping, ...] = ("lane", "tool", "profile", "model")
"""What latencies are grouped by."""

REPORT_VERSION = 1
"""Version of the JSON's form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What there is to say of some runs.

    Attributes:
        runs: The runs, as they started.
        latencies: Times of calls, by grouping and name.
        missing: What to install for the latencies, where that is missing.
        levels: How the service levels were kept.
        own: What the library itself adds to the steps of each workload profile.
        changes: How the runs differ from those before; empty without any.
        before: Runs before, that they are compared with.
    """

    runs: Sequence[RunFacts]
    latencies: Mapping[Grouping, Mapping[str, Histogram]]
    missing: str | None
    levels: SloCheck
    own: Sequence[OwnShare]
    changes: Sequence[Change]
    before: int

    @property
    def title(self) -> tuple[str, str]:
        """The headline: of the run, or of all of them."""
        return headline(self.runs[0]) if len(self.runs) == 1 else headline_of_all(self.runs)

    @property
    def wall_ms(self) -> float:
        """Wall times of all runs together, as far as they are known."""
        return sum(facts.wall_ms or 0.0 for facts in self.runs)

    def to_json(self) -> dict[str, Any]:
        """Give the same as plain data. Times are milliseconds; `None` is unknown.

        Histograms are in the V2 format of HdrHistogram, in microseconds, so that reports of
        different machines can be merged.
        """
        return {
            "version": REPORT_VERSION,
            "headline": "; ".join(part for part in self.title if part),
            "wall_ms": round(self.wall_ms, 3),
            "causes_ms": _rounded(totals(self.runs)),
            "runs": [_run_json(facts) for facts in self.runs],
            "latencies": {
                grouping: {
                    name: {**asdict(each.quantiles()), "hdr": each.encode()}
                    for name, each in found.items()
                }
                for grouping, found in self.latencies.items()
            },
            "service_levels": [
                {
                    **asdict(result.slo),
                    "steps": result.steps,
                    "slow": result.slow,
                    "allowed": result.allowed,
                    "budget_left": result.budget_left,
                    "goodput_per_s": result.goodput_per_s,
                    "metric_name": result.metric_name,
                    "metric_value": result.metric_value,
                    "ok": result.ok,
                }
                for result in self.levels.results
            ],
            "own_share": [{**asdict(one), "share": one.share} for one in self.own],
            "comparison": [{**asdict(one), "clear": one.clear} for one in self.changes],
        }


def gather(
    runs: Sequence[LoggedRun],
    *,
    before: Sequence[LoggedRun] = (),
    slos: Sequence[Slo] = PROFILE_SLOS,
    prices: Mapping[str, Price] | None = None,
) -> Report:
    """Work out everything a report says.

    Args:
        runs: The runs.
        before: Runs to compare them with.
        slos: Service levels.
        prices: What the models' tokens cost.
    """
    facts = [facts_of(run, prices=prices) for run in runs]
    records = [record for run in runs for record in run.steps]
    missing = None
    try:
        latencies = {grouping: latencies_by(grouping, records) for grouping in GROUPINGS}
    except MissingExtra as error:
        latencies, missing = {}, str(error)
    wall_ms = sum(each.wall_ms or 0.0 for each in facts)
    old = [facts_of(run, prices=prices) for run in before]
    return Report(
        runs=facts,
        latencies=latencies,
        missing=missing,
        levels=check(records, slos, wall_ms=wall_ms or None),
        own=own_share(run.steps for run in runs),
        changes=_changes(old, facts) if old else [],
        before=len(old),
    )


def _changes(before: Sequence[RunFacts], after: Sequence[RunFacts]) -> list[Change]:
    found = compare([_sample(each) for each in before], [_sample(each) for each in after])
    return [change for change in found if change.before or change.after]


def _sample(facts: RunFacts) -> RunSample:
    """Give what a run contributes to a comparison. A cause that did not occur is 0, not unknown."""
    figures: dict[str, float | None] = {"wall_ms": facts.wall_ms}
    if facts.path is not None and facts.against is not None:
        figures |= {f"{cause}_ms": ms for cause, ms in facts.path.totals.items()}
        figures |= {"serial_ms": facts.against.serial_ms, "wasted_ms": facts.against.wasted_ms}
        spent = facts.against.spent
        if not spent.unreported_calls:
            figures |= {"input_tokens": spent.input_tokens, "output_tokens": spent.output_tokens}
        figures["cost_usd"] = spent.cost_usd
    times: dict[str, list[float]] = {}
    for record in facts.records:
        if record["lane"] and record["attempts"] != 0 and record["duration_ms"] is not None:
            times.setdefault(f"{record['lane']}_call_ms", []).append(record["duration_ms"])
    return RunSample(figures=figures, times_ms=times)


def _run_json(facts: RunFacts) -> dict[str, Any]:
    against, path = facts.against, facts.path
    return {
        "run_id": facts.run.run_id,
        "graph": facts.run.graph,
        "started": facts.run.head.get("started"),
        "status": facts.run.status,
        "headline": "; ".join(part for part in headline(facts) if part),
        "steps": len(facts.records),
        "wall_ms": facts.wall_ms,
        "causes_ms": _rounded(facts.causes),
        "serial_ms": against.serial_ms if against else None,
        "bound_ms": against.bound_ms if against else None,
        "saved_ms": against.saved_ms if against else None,
        "wasted_ms": against.wasted_ms if against else None,
        "spent": asdict(against.spent) if against else None,
        "wasted": asdict(against.wasted) if against else None,
        "economy": facts.economy.to_json(),
        "critical_path": [part._asdict() for part in path.segments] if path else [],
    }


def _rounded(causes: Mapping[str, float]) -> dict[str, float]:
    return {cause: round(ms, 3) for cause, ms in causes.items()}
