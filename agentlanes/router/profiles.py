"""Workload profiles: the kinds of step, the lane each asks for, and how fast it must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["PROFILES", "Profile", "target_met"]


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of step, with its latency target and the figure that says whether it went well.

    Attributes:
        name: What `StepRecord.profile` and `build_agent(profile=...)` call it.
        lane: The lane that serves it.
        target_low_ms: Below this a step of the kind is suspiciously quick; 0 for the act lane.
        target_high_ms: The target: a step that takes longer missed it.
        metric: What is measured besides latency, with its unit.
        metric_name: What `StepRecord.metric_name` calls it.
        description: One line for people.
    """

    name: str
    lane: Literal["act", "reason"]
    target_low_ms: float
    target_high_ms: float
    metric: str
    metric_name: str
    description: str


_ALL = (
    Profile(
        "api_formatting",
        "act",
        0.0,
        100.0,
        "output tokens a second",
        "output_tokens_per_s",
        "Write down as a call or an answer what is decided already.",
    ),
    Profile(
        "retrieval",
        "act",
        0.0,
        150.0,
        "cached input tokens / input tokens",
        "cached_input_share",
        "Look something up and put it into the context.",
    ),
    Profile(
        "plan_validation",
        "reason",
        5_000.0,
        120_000.0,
        "verdict accuracy, where a checker knows the truth",
        "verdict_accuracy",
        "Decide whether several dependent steps reach a goal under constraints.",
    ),
    Profile(
        "formal_verification",
        "reason",
        10_000.0,
        300_000.0,
        "share proved or refuted",
        "decided_share",
        "Prove or refute a statement.",
    ),
)

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in _ALL})
"""The four profiles by name. Read-only."""


def target_met(profile: Profile, duration_ms: float | None) -> bool | None:
    """Say whether a step kept its profile's upper bound.

    The lower bound is a description of the work, not a promise: quicker is never a miss.

    Args:
        profile: The step's profile.
        duration_ms: How long it took; `None` is unknown.

    Returns:
        `None` when the duration is unknown.

    Example:
        >>> target_met(PROFILES["api_formatting"], 84.0)
        True
    """
    return None if duration_ms is None else duration_ms < profile.target_high_ms
