"""The lane policy: what a turn starts with, when it changes, and what a draft must pass.

Pure functions over what is committed. The memory is a small dict in the graph state
(`agentlanes.router.decision.Lock`), so a resumed run decides as the interrupted one would have.

- A user turn is classified once; inside its tool loop the lane is locked. Changing lanes in the
  middle of a loop costs more than it gains.
- Two rejections close together move the lock up; `calm_calls` committed calls without another
  move it down by a level, never below where it began.
- What cannot be judged is given to the reason lane: a router that raises, a score that is no
  number, a clock of another process.

Under `verify="approve"` and `"match"` the policy says only what the score says: measured times,
deadlines and budgets would make committed results depend on timing, so they count under
`verify="auto"` alone, where the user asked for the trade.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from agentlanes.errors import ConfigError
from agentlanes.router.decision import Level, Lock
from agentlanes.router.router import Router, RouteScore, StepFeatures

__all__ = [
    "DEFAULT_QUALITY",
    "REASON_FIRST",
    "LanePolicy",
    "Times",
    "expected_s",
    "level_at",
    "safe_score",
]

_LEVELS: tuple[Level, ...] = ("act", "check", "both", "reason")
"""What a turn is locked to, from the least to the most:

- `act`: the gate is sure that no reasoning is needed: a draft passes a lenient check;
- `check`: the gate does not know: a draft passes the check;
- `both`: every call is verified while the act lane runs ahead;
- `reason`: the reason lane works the request out first; then as `both`.
"""

REASON_FIRST = frozenset({"formal_verification"})
"""Profiles whose steps the reason lane works out before the act lane formats them."""

DEFAULT_QUALITY = 0.7
"""`quality` of `verify="auto"` when nobody sets it."""

_AFTER_WORDS = 0.3
"""Share of wrong drafts that stay wrong once the reason lane has worked the request out. An
assumption, not a measurement; from `act_s << reason_s` it puts reason-first ahead where more than
about half of the drafts are wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Typical durations in seconds, as measured; `None` is unknown.

    Attributes:
        act_s: A draft.
        reason_s: A verdict.
    """

    act_s: float | None = None
    reason_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePolicy:
    """How lanes are chosen.

    Attributes:
        quality: The one knob, 0 to 1, for `verify="auto"`: the share of the act lane's wrong
            drafts that is to be caught; 1 verifies everything. In measured terms see
            docs/routing.md.
        deadline_s: Seconds a user turn should take. Under `auto`, once the time left is shorter
            than a verdict takes, `pure` and `read` calls go unverified.
        max_verdicts: Verdicts a user turn may cost on calls that may go unverified, under `auto`.
        confirmations: Rejections that move a locked turn up, each within `calm_calls` of the last.
        calm_calls: Committed calls without a rejection that move it down by a level.

    Raises:
        ConfigError: A value is out of range.

    Example:
        >>> LanePolicy(quality=0.5).bar("check")
        0.5
        >>> LanePolicy(quality=1).bar("act")
        1.0
    """

    quality: float = DEFAULT_QUALITY
    deadline_s: float | None = None
    max_verdicts: int | None = None
    confirmations: int = 2
    calm_calls: int = 8

    def __post_init__(self) -> None:
        if not 0.0 <= self.quality <= 1.0:
            raise ConfigError(f"quality is a number from 0 to 1, not {self.quality!r}")
        if self.deadline_s is not None and not 0.0 < self.deadline_s < math.inf:
            raise ConfigError(f"deadline_s is a number of seconds above 0, not {self.deadline_s!r}")
        if self.max_verdicts is not None and self.max_verdicts < 0:
            raise ConfigError(f"max_verdicts starts at 0, not {self.max_verdicts!r}")
        if self.confirmations < 1 or self.calm_calls < 1:
            raise ConfigError("confirmations and calm_calls start at 1")

    def begin(
        self, turn: str, score: RouteScore, *, times: Times | None = None, now: float
    ) -> Lock:
        """Classify a user turn.

        Args:
            turn: Id of the user message.
            score: What the router makes of it.
            times: Measured durations, where they may count: under `verify="auto"`.
            now: Loop time in seconds.
        """
        level = _wanted(score)
        return {
            "turn": turn,
            "level": level,
            "floor": level,
            "profile": score.profile,
            "first": level == "reason" or _first(level, score.p_reason, times),
            "up": 0,
            "raised_at": 0,
            "seen": [0, 0],
            "ends_at": None if self.deadline_s is None else now + self.deadline_s,
        }

    def follow(self, lock: Lock, *, committed: int, corrections: int) -> Lock:
        """Give the lock for the turn's next window.

        It moves with what is committed and with nothing else: windows that a crash cut in two, or
        lost, leave it as one whole window would.

        Args:
            lock: The last one.
            committed: Calls committed in the turn.
            corrections: Rejections since the last of them.
        """
        if lock["seen"] == [committed, corrections]:
            return lock
        moved: Lock = {**lock, "seen": [committed, corrections]}
        if not corrections:
            return moved
        up = lock["up"] if committed - lock["raised_at"] < self.calm_calls else 0
        level = level_at(lock, committed, self.calm_calls)
        if up + 1 >= self.confirmations:
            level = max(level, "both", key=_LEVELS.index)
        return {**moved, "level": level, "up": up + 1, "raised_at": committed}

    def bar(self, level: Level) -> float:
        """Give the `quality` that drafts are held to at a level; 1 verifies every draft.

        Where the gate is sure of the act lane it is the square: 0.8 becomes 0.64, 1 stays 1.
        """
        if level == "act":
            return float(self.quality**2)
        return float(self.quality) if level == "check" else 1.0

    def pressed(self, lock: Lock, *, now: float, reason_s: float | None, verdicts: int) -> str:
        """Say what keeps `auto` from waiting for a verdict that may be left out; empty if nothing.

        Args:
            lock: The turn's lock.
            now: Loop time in seconds.
            reason_s: How long a verdict takes; unknown presses nobody.
            verdicts: Verdicts the turn has cost.
        """
        if self.quality >= 1.0:
            return ""  # it means that everything is verified
        if self.max_verdicts is not None and verdicts >= self.max_verdicts:
            return f"{verdicts} verdicts are used up"
        ends_at = lock["ends_at"]
        if ends_at is None or self.deadline_s is None or reason_s is None:
            return ""
        left_s = ends_at - now
        if left_s > self.deadline_s:
            return ""  # a clock of another process: unknown, so everything is verified
        return f"{max(0.0, left_s):.1f} s are left" if left_s < reason_s else ""


def expected_s(p_wrong: float, act_s: float, reason_s: float) -> dict[str, float]:
    """Give the seconds a step is expected to take, by the choice of lanes.

    - `act`: a draft nobody verifies: `act_s`;
    - `both`: draft and verdict, again after each rejection: `(act_s + reason_s) / (1 - p)`;
    - `reason`: worked out first, then as `both` with fewer wrong drafts.

    Args:
        p_wrong: Probability that a draft is wrong.
        act_s: A draft, in seconds.
        reason_s: A verdict, or a request worked out, in seconds.

    Example:
        >>> few, many = expected_s(0.1, 0.2, 10.0), expected_s(0.7, 0.2, 10.0)
        >>> few["both"] < few["reason"], many["both"] < many["reason"]
        (True, False)
    """
    p = min(max(p_wrong, 0.0), 0.99)
    once = act_s + reason_s
    return {
        "act": act_s,
        "both": once / (1.0 - p),
        "reason": reason_s + once / (1.0 - _AFTER_WORDS * p),
    }


def level_at(lock: Lock, committed: int, calm_calls: int) -> Level:
    """Give the level that holds for a call, by how many calls are committed before it.

    Example:
        >>> lock = LanePolicy().begin("m", RouteScore(0.1, "retrieval"), now=0.0)
        >>> for n in (1, 2):
        ...     lock = LanePolicy().follow(lock, committed=3, corrections=n)
        >>> [level_at(lock, committed, 8) for committed in (3, 10, 11, 19)]
        ['both', 'both', 'check', 'act']
    """
    calm = max(0, committed - lock["raised_at"]) // calm_calls
    lowest = _LEVELS.index(lock["floor"])
    return _LEVELS[max(lowest, _LEVELS.index(lock["level"]) - calm)]


def safe_score(router: Router, text: str, step: Callable[[], StepFeatures]) -> RouteScore:
    """Ask a router, and take whatever goes wrong for a step that must be verified.

    Args:
        router: The router.
        text: The user's words.
        step: Makes the features; what it raises counts as the router's failure.
    """
    try:
        score = router.score(text, step())
        if not isinstance(score, RouteScore) or math.isnan(score.p_reason):
            raise TypeError("no RouteScore")
    except Exception as error:
        rule = f"the router failed ({type(error).__name__})"
        return RouteScore(1.0, "plan_validation", rule)
    return score


def _wanted(score: RouteScore) -> Level:
    if score.profile in REASON_FIRST:
        return "reason"
    if score.abstains:
        return "check"
    return "both" if score.p_reason >= 0.5 else "act"


def _first(level: Level, p_reason: float, times: Times | None) -> bool:
    """Say whether working it out first is expected to beat having drafts rejected."""
    if level != "both" or times is None or times.act_s is None or times.reason_s is None:
        return False
    expected = expected_s(p_reason, times.act_s, times.reason_s)
    return expected["reason"] < expected["both"]
