"""The lane policy: what a turn is locked to, when that moves, and what it trusts."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlanes.errors import ConfigError
from agentlanes.router.policy import LanePolicy, Times, expected_s, level_at, safe_score
from agentlanes.router.router import RouteScore, StepFeatures

EASY = RouteScore(0.1, "api_formatting")
UNSURE = RouteScore(0.45, "api_formatting", abstains=True)
HARD = RouteScore(0.9, "plan_validation")
PROOF = RouteScore(0.97, "formal_verification", "proof")


def begin(score: RouteScore, **options: Any) -> Any:
    return LanePolicy(**options).begin("m1", score, now=100.0)


@pytest.mark.parametrize(
    ("score", "level", "first"),
    [
        (EASY, "act", False),
        (UNSURE, "check", False),
        (HARD, "both", False),
        (PROOF, "reason", True),
    ],
)
def test_a_turn_begins_where_its_score_says(score: RouteScore, level: str, first: bool) -> None:
    lock = begin(score)
    assert (lock["level"], lock["floor"], lock["first"]) == (level, level, first)


def test_one_rejection_does_not_move_it_and_a_second_does() -> None:
    policy, lock = LanePolicy(), begin(EASY)
    lock = policy.follow(lock, committed=2, corrections=1)
    assert level_at(lock, 2, 8) == "act"
    lock = policy.follow(lock, committed=5, corrections=1)
    assert level_at(lock, 5, 8) == "both"


def test_rejections_far_apart_do_not_move_it() -> None:
    policy, lock = LanePolicy(), begin(UNSURE)
    for committed in (1, 20, 40):
        lock = policy.follow(lock, committed=committed, corrections=1)
        assert level_at(lock, committed, 8) == "check"


def test_it_comes_down_slowly_and_never_below_its_beginning() -> None:
    policy, lock = LanePolicy(calm_calls=4), begin(UNSURE)
    for corrections in (1, 2):
        lock = policy.follow(lock, committed=3, corrections=corrections)
    assert [level_at(lock, n, 4) for n in (3, 6, 7, 100)] == ["both", "both", "check", "check"]


def test_a_hard_turn_stays_hard_through_its_loop() -> None:
    policy, lock = LanePolicy(), begin(HARD)
    for committed in range(1, 60):
        lock = policy.follow(lock, committed=committed, corrections=0)
    assert level_at(lock, 60, policy.calm_calls) == "both"


events = st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=12)


@given(events, st.lists(st.booleans(), min_size=70, max_size=70))
def test_windows_that_are_cut_in_two_change_nothing(
    moves: list[tuple[int, bool]], cuts: list[bool]
) -> None:
    """A crash makes route look more often, at places where nothing was rejected."""
    policy = LanePolicy(calm_calls=4)
    whole = cut = begin(EASY)
    committed = corrections = looks = 0
    for calls, rejected in moves:
        for _ in range(calls):
            committed, corrections = committed + 1, 0
            looks += 1
            if cuts[looks % len(cuts)]:
                cut = policy.follow(cut, committed=committed, corrections=corrections)
        corrections += rejected
        whole = policy.follow(whole, committed=committed, corrections=corrections)
        cut = policy.follow(cut, committed=committed, corrections=corrections)
        cut = policy.follow(cut, committed=committed, corrections=corrections)  # a lost window
        for ahead in range(10):
            at = committed + ahead
            assert level_at(whole, at, 4) == level_at(cut, at, 4)


def test_the_bar_follows_the_knob() -> None:
    policy = LanePolicy(quality=0.8)
    bars = [policy.bar(level) for level in ("act", "check", "both", "reason")]
    assert bars == pytest.approx([0.64, 0.8, 1.0, 1.0])
    assert {LanePolicy(quality=1).bar(level) for level in ("act", "check")} == {1.0}


def test_a_deadline_presses_only_when_a_verdict_no_longer_fits() -> None:
    policy = LanePolicy(deadline_s=30)
    lock = policy.begin("m1", EASY, now=100.0)

    def pressed(now: float, reason_s: float | None) -> bool:
        return bool(policy.pressed(lock, now=now, reason_s=reason_s, verdicts=0))

    assert not pressed(now=110, reason_s=10)
    assert pressed(now=125, reason_s=10)
    assert pressed(now=500, reason_s=10)
    assert not pressed(now=125, reason_s=None)  # unknown: verify
    assert not pressed(now=3, reason_s=40)  # another process's clock: verify


def test_a_budget_presses_when_it_is_used_up() -> None:
    policy = LanePolicy(max_verdicts=3)
    lock = policy.begin("m1", EASY, now=0.0)
    used = [policy.pressed(lock, now=0.0, reason_s=None, verdicts=n) for n in (2, 3)]
    assert used == ["", "3 verdicts are used up"]


def test_nothing_presses_who_wants_everything_verified() -> None:
    policy = LanePolicy(quality=1, deadline_s=1, max_verdicts=0)
    lock = policy.begin("m1", EASY, now=0.0)
    assert policy.pressed(lock, now=50.0, reason_s=9.0, verdicts=9) == ""


@pytest.mark.parametrize(("p", "first"), [(0.51, False), (0.6, True), (0.9, True)])
def test_reason_first_where_rejections_would_cost_more(p: float, first: bool) -> None:
    score, times = RouteScore(p, "plan_validation"), Times(act_s=0.2, reason_s=20.0)
    policy = LanePolicy()
    assert policy.begin("m", score, times=times, now=0.0)["first"] is first
    assert policy.begin("m", score, now=0.0)["first"] is False  # times that may not count
    assert policy.begin("m", score, times=Times(), now=0.0)["first"] is False


@given(st.floats(0, 1), st.floats(0, 100), st.floats(0, 100))
def test_expected_times_are_ordered(p: float, act_s: float, reason_s: float) -> None:
    expected = expected_s(p, act_s, reason_s)
    assert expected["act"] <= expected["both"]
    assert all(math.isfinite(value) for value in expected.values())


class Broken:
    def __init__(self, given: Any) -> None:
        self.given = given

    def score(self, text: str, step: StepFeatures | None = None) -> Any:
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


@pytest.mark.parametrize("given", [RuntimeError("x"), None, 0.3, KeyError("k")])
def test_a_router_that_fails_means_verify(given: Any) -> None:
    score = safe_score(Broken(given), "do it", StepFeatures)
    assert score.p_reason == 1.0
    assert "the router failed" in score.explain()
    lock = begin(score)
    assert LanePolicy(quality=0.0).bar(lock["level"]) == 1.0


@pytest.mark.parametrize(
    "options",
    [
        {"quality": -0.1},
        {"quality": 1.1},
        {"quality": float("nan")},
        {"deadline_s": 0},
        {"deadline_s": float("inf")},
        {"max_verdicts": -1},
        {"confirmations": 0},
        {"calm_calls": 0},
    ],
)
def test_a_value_out_of_range_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        LanePolicy(**options)
