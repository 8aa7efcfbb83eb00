from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentlanes.lanes.policies.budget import RetryBudget

steps = st.lists(st.tuples(st.floats(0, 20), st.sampled_from(["call", "take"])), max_size=300)


@given(steps=steps, ratio=st.floats(0, 1), per_s=st.floats(0, 3), burst=st.floats(0, 5))
def test_never_more_than_its_share(
    steps: list[tuple[float, str]], ratio: float, per_s: float, burst: float
) -> None:
    budget = RetryBudget(ratio=ratio, per_s=per_s, burst=burst)
    now, calls, granted = 0.0, 0, 0
    for pause, what in steps:
        now += pause
        if what == "call":
            budget.count(now)
            calls += 1
        else:
            granted += budget.take(now)
        assert granted <= ratio * calls + burst + per_s * now + 1e-6


def test_old_calls_count_no_longer() -> None:
    budget = RetryBudget(ratio=0.5, per_s=0, burst=0)
    for _ in range(4):
        budget.count(0.0)
    assert [budget.take(59.0) for _ in range(3)] == [True, True, False]
    assert not budget.take(60.0)
    for _ in range(4):
        budget.count(61.0)
    assert budget.left(61.0) >= 0
    assert budget.take(130.0) is False


def test_what_is_saved_up_is_bounded() -> None:
    budget = RetryBudget(ratio=0, per_s=1, burst=3)
    assert [budget.take(1000.0) for _ in range(4)] == [True, True, True, False]
    assert not budget.take(1000.5)
    assert budget.take(1001.0)
    assert budget.left(5000.0) == 3


def test_a_clock_that_goes_back_grants_nothing() -> None:
    budget = RetryBudget(ratio=0, per_s=1, burst=1)
    assert budget.take(100.0)
    assert not budget.take(50.0)
    assert not budget.take(100.5)
