"""What the router decides for a window, as a graph's state holds it: plain and serialisable."""

from __future__ import annotations

from typing import Literal, TypedDict

__all__ = ["LaneSet", "Level", "Lock", "Route"]

LaneSet = Literal["act", "reason", "both"]
"""The branches of a window."""

Level = Literal["act", "check", "both", "reason"]
"""What the router locks a user turn to; see `agentlanes.router.policy`."""


class Lock(TypedDict):
    """What the lane policy remembers within a user turn.

    Attributes:
        turn: Id of the user message.
        level: What the turn is locked to.
        floor: The level it began with.
        profile: The workload profile it is locked to.
        first: The reason lane works it out before anything is drafted.
        up: Rejections that came close enough together to count.
        raised_at: Committed calls at the last of them.
        seen: Committed calls and corrections when it was last looked at.
        ends_at: Loop time by which the turn should be over; `None` without a deadline.
    """

    turn: str
    level: Level
    floor: Level
    profile: str
    first: bool
    up: int
    raised_at: int
    seen: list[int]
    ends_at: float | None


class Route(TypedDict):
    """The router's decision for a window.

    Attributes:
        lanes: The branches of the window.
        plan: Whether it begins with a plan.
        profile: The workload profile.
        score: Probability that the step needs reasoning.
        reason: Why, in words.
        lock: What the policy remembers.
        quality: What `verify="auto"` holds this window's drafts to: the share of wrong drafts to
            catch, 0 to 1; `None` follows the lock's level.
    """

    lanes: LaneSet
    plan: bool
    profile: str
    score: float
    reason: str
    lock: Lock
    quality: float | None
