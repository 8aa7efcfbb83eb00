"""What a run has come to so far: calls and tokens of each lane, and how its target is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from agentlanes.latency.facts import was_answered
from agentlanes.latency.record import StepRecord
from agentlanes.latency.table import format_ms
from agentlanes.router.profiles import PROFILES, Profile

__all__ = ["LaneTally", "Tally", "short_count"]


@dataclass(slots=True, kw_only=True)
class LaneTally:
    """Sums over a lane's calls; a call that reports no tokens adds none."""

    calls: int = 0
    input: int = 0
    output: int = 0

    def add(self, record: StepRecord) -> None:
        """Add a call."""
        self.calls += 1
        self.input += record["tokens"]["input"] or 0
        self.output += record["tokens"]["output"] or 0


@dataclass(slots=True)
class Tally:
    """What step records and the state say of a run, for the heading of the live view.

    Attributes:
        lanes: By lane.
        profile: The workload profile of the window that is open.
        times_ms: Of the lane calls that the profile's target is about, by profile.
        kept: How many of them kept it.
    """

    lanes: dict[str, LaneTally] = field(default_factory=dict)
    profile: Profile | None = None
    times_ms: dict[str, list[float]] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)

    def step(self, record: StepRecord) -> None:
        """Take in a step record."""
        if not was_answered(record):
            return
        self.lanes.setdefault(str(record["lane"]), LaneTally()).add(record)
        took, profile = record["duration_ms"], record["profile"]
        if record["target_met"] is not None and profile is not None and took is not None:
            self.times_ms.setdefault(profile, []).append(took)
            self.kept[profile] = self.kept.get(profile, 0) + bool(record["target_met"])

    def route(self, values: Mapping[str, Any]) -> None:
        """Take in the router's decision, off the state."""
        route = values.get("route")
        if isinstance(route, Mapping):
            self.profile = PROFILES.get(str(route.get("profile")))

    def target_line(self) -> str:
        """Say what the profile asks for and how it is kept, or nothing where there is none.

        Example:
            >>> tally = Tally()
            >>> tally.route({"route": {"profile": "api_formatting"}})
            >>> tally.target_line()
            'api_formatting: an act call in under 100 ms'
        """
        profile = self.profile
        if profile is None:
            return ""
        article = "an act" if profile.lane == "act" else "a reason"
        line = f"{profile.name}: {article} call in under {format_ms(profile.target_high_ms)}"
        times = self.times_ms.get(profile.name)
        if times:
            kept = f"{self.kept[profile.name]} of {len(times)}"
            line += f"; median {format_ms(median(times))}, {kept} kept it"
        return line

    def lanes_line(self) -> str:
        """Say what each lane has done so far: settled calls and their tokens.

        Example:
            >>> Tally(lanes={"act": LaneTally(calls=1, input=1234, output=56)}).lanes_line()
            'act: 1 call, 1.2k tokens in, 56 out'
        """
        told = []
        for lane in ("act", "reason"):
            one = self.lanes.get(lane)
            if one is not None:
                many = f"{one.calls} call{'s' if one.calls > 1 else ''}"
                tokens = f"{short_count(one.input)} tokens in, {short_count(one.output)} out"
                told.append(f"{lane}: {many}, {tokens if one.input else 'tokens unknown'}")
        return "   ".join(told)


def short_count(count: int) -> str:
    """Write a count in four or five columns.

    Example:
        >>> [short_count(n) for n in (0, 999, 1000, 12_345, 99_960, 1_234_567)]
        ['0', '999', '1.0k', '12.3k', '100k', '1.2M']
    """
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size * 0.99995:
            shown = count / size
            return f"{shown:.1f}{letter}" if shown < 99.95 else f"{shown:.0f}{letter}"
    return str(count)
