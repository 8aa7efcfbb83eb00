"""Service levels: which steps were quick enough, and how much of the error budget is left.

A service level says that a share of some steps (of a workload profile, a lane, or both) takes less
than a target: with an objective of 0.95, one step in twenty may be slow. Those are its error
budget; a budget that is spent breaks it. The four workload profiles come with theirs
(`PROFILE_SLOS`); add your own for profiles of your own.

Method: B. Beyer et al., Site Reliability Engineering, 2016, chapter 4 (objectives, error budgets);
goodput as the steps that kept their target, as in Y. Zhong et al., DistServe, OSDI 2024.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from agentlanes.errors import ConfigError
from agentlanes.latency.critical import spans_in
from agentlanes.latency.metric import metric_total
from agentlanes.router.profiles import PROFILES

__all__ = [
    "PROFILE_SLOS",
    "OwnShare",
    "Slo",
    "SloCheck",
    "SloResult",
    "check",
    "own_share",
    "own_times",
    "read_slos",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """A service level: `objective` of the steps it is about take less than `target_ms`.

    Attributes:
        name: What reports call it.
        target_ms: A step that takes as long or longer is slow. It is `StepRecord.duration_ms`,
            the lane call with its queueing and retries, that counts.
        objective: The share of steps that must not be slow, above 0 and at most 1.
        profile: Only steps of this workload profile, one of your own included.
        lane: Only steps of this lane.
        model: Only steps that this model answered.

    Raises:
        ConfigError: The target or the objective is out of range.
    """

    name: str
    target_ms: float
    objective: float = 0.95
    profile: str | None = None
    lane: str | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        if not (self.target_ms > 0 and 0 < self.objective <= 1):
            raise ConfigError(
                f"service level {self.name!r}: target_ms is above 0 and objective is above 0 and "
                "at most 1"
            )

    def covers(self, record: Mapping[str, Any]) -> bool:
        """Say whether a step is one that this is about: a lane call of known length."""
        wanted = (("profile", self.profile), ("lane", self.lane), ("model", self.model))
        asked = record.get("lane") is not None and record.get("attempts") != 0
        return (
            asked
            and record.get("duration_ms") is not None
            and all(value is None or record.get(key) == value for key, value in wanted)
        )


PROFILE_SLOS: tuple[Slo, ...] = tuple(
    Slo(name=p.name, target_ms=p.target_high_ms, profile=p.name, lane=p.lane)
    for p in PROFILES.values()
)
"""The four workload profiles with their targets, for 95% of the steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SloResult:
    """How a service level was kept.

    Attributes:
        slo: The service level.
        steps: The steps it is about.
        good: Those that kept the target.
        goodput_per_s: Good steps a second; `None` without a wall time.
        allowed: Slow steps that the objective allows: a part of one, where there are few steps.
        budget_left: Share of the error budget that is left, negative when it is overspent;
            `None` where there is none to spend.
        metric_name: What the profile measures besides latency.
        metric_value: Its value over all those steps: a ratio of sums.
    """

    slo: Slo
    steps: int
    good: int
    goodput_per_s: float | None
    allowed: float
    budget_left: float | None
    metric_name: str | None = None
    metric_value: float | None = None

    @property
    def slow(self) -> int:
        """Steps that missed the target."""
        return self.steps - self.good

    @property
    def good_share(self) -> float | None:
        """Good steps over all steps; `None` when there were none."""
        return self.good / self.steps if self.steps else None

    @property
    def ok(self) -> bool:
        """Whether the budget holds. A service level without any steps is not broken."""
        return self.slow <= self.allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class SloCheck:
    """How all service levels were kept.

    Attributes:
        results: One a service level, in the order they were given.
    """

    results: tuple[SloResult, ...]

    @property
    def ok(self) -> bool:
        """Whether no budget is broken."""
        return all(result.ok for result in self.results)

    @property
    def broken(self) -> tuple[SloResult, ...]:
        """Those whose budget is broken."""
        return tuple(result for result in self.results if not result.ok)


def check(
    records: Iterable[Mapping[str, Any]],
    slos: Sequence[Slo] = PROFILE_SLOS,
    *,
    wall_ms: float | None = None,
) -> SloCheck:
    """Check service levels. Pure: the same records give the same result.

    Args:
        records: Step records, of one run or of many.
        slos: The service levels; those of the workload profiles by default.
        wall_ms: The time in which the steps were made, for goodput.

    Example:
        >>> record = {"lane": "act", "profile": "api_formatting", "attempts": 1}
        >>> records = [{**record, "duration_ms": ms} for ms in (40, 60, 80, 250)]
        >>> found = check(records)
        >>> found.ok, [result.slo.name for result in found.broken]
        (False, ['api_formatting'])
        >>> check(records, [Slo(name="act", target_ms=100, objective=0.75, lane="act")]).ok
        True
    """
    records = list(records)
    return SloCheck(results=tuple(_check_one(records, slo, wall_ms) for slo in slos))


def _check_one(records: Sequence[Mapping[str, Any]], slo: Slo, wall_ms: float | None) -> SloResult:
    mine = [record for record in records if slo.covers(record)]
    good = sum(record["duration_ms"] < slo.target_ms for record in mine)
    # Rounded, since 1 - 0.95 is not quite a twentieth.
    allowed = round((1 - slo.objective) * len(mine), 9)
    name, value = metric_total(mine) if slo.profile in PROFILES else (None, None)
    return SloResult(
        slo=slo,
        steps=len(mine),
        good=good,
        goodput_per_s=good / wall_ms * 1000 if wall_ms else None,
        allowed=allowed,
        budget_left=1 - (len(mine) - good) / allowed if allowed else None,
        metric_name=name,
        metric_value=value,
    )


def read_slos(path: Path | str) -> list[Slo]:
    """Read service levels from a TOML file: a `[[slo]]` table each, with the fields of `Slo`.

    Raises:
        OSError: The file cannot be read.
        ConfigError: It is not such a file.
    """
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8")).get("slo")
        if not isinstance(tables, list) or not tables:
            raise TypeError("it has no [[slo]] table")
        return [Slo(**table) for table in tables]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
        known = ", ".join(field.name for field in fields(Slo))
        raise ConfigError(
            f"{path} holds no service levels ({error}); a table has {known}"
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnShare:
    """What the library itself adds to the steps of a profile, net of models and tools.

    Attributes:
        profile: The profile.
        target_ms: Its target.
        steps: Steps that were measured.
        p50_ms: Half of them took no longer; nearest rank.
        p95_ms: So did 95%.
        max_ms: The longest.
    """

    profile: str
    target_ms: float
    steps: int
    p50_ms: float
    p95_ms: float
    max_ms: float

    @property
    def share(self) -> float:
        """The part of the target that the 95th percentile takes up."""
        return self.p95_ms / self.target_ms


def own_times(records: Iterable[Mapping[str, Any]]) -> list[float | None]:
    """Give what the library took in each step of one run, in milliseconds.

    It is the time between the last thing a span waited for and its own start, added up over the
    spans of the step. `None` where nothing is known: a step without spans.
    """
    records = list(records)
    ends = {span["id"]: span["end_ms"] for span in spans_in(records)}
    owns: list[float | None] = []
    for record in records:
        spans = [s for s in spans_in([record]) if s["kind"] not in ("queue", "retry", "wait")]
        own = 0.0
        for span in spans:
            waited = (min(ends[id], span["start_ms"]) for id in span["after"] if id in ends)
            own += span["start_ms"] - max(waited, default=0.0)
        owns.append(round(own, 3) if spans else None)
    return owns


def own_share(runs: Iterable[Iterable[Mapping[str, Any]]]) -> list[OwnShare]:
    """Say what the library adds to the steps of each profile that has a target of its own.

    Args:
        runs: The step records of each run.
    """
    times: dict[str, list[float]] = {}
    for run in runs:
        records = list(run)
        for record, own in zip(records, own_times(records), strict=True):
            profile = PROFILES.get(record.get("profile") or "")
            if profile is not None and own is not None and record.get("lane") == profile.lane:
                times.setdefault(profile.name, []).append(own)
    return [
        OwnShare(
            profile=name,
            target_ms=PROFILES[name].target_high_ms,
            steps=len(owns),
            p50_ms=_rank(owns, 0.5),
            p95_ms=_rank(owns, 0.95),
            max_ms=max(owns),
        )
        for name, owns in times.items()
    ]


def _rank(values: Sequence[float], share: float) -> float:
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
