"""Quantiles, hedging and announced rate limits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlanes.errors import ConfigError
from agentlanes.lanes.policies.budget import RetryBudget
from agentlanes.lanes.policies.hedge import Hedge
from agentlanes.lanes.policies.quantiles import Quantiles
from agentlanes.lanes.policies.ratelimit import RateLimit, read_duration_s
from agentlanes.lanes.policies.settings import Resilience


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=100), st.floats(0, 1), st.integers(1, 40))
def test_quantiles_are_those_of_the_latest(values: list[float], share: float, size: int) -> None:
    window = Quantiles(size)
    for value in values:
        window.add(value)
    latest = sorted(values[-size:])
    found = window.at(share)
    assert found in latest
    assert sum(value <= found for value in latest) >= share * len(latest)
    assert found == latest[max(1, math.ceil(share * len(latest))) - 1]


def hedge(**settings: float) -> tuple[Hedge, Quantiles, RetryBudget]:
    known = Resilience(hedge_least=20, **settings)  # type: ignore[arg-type]
    first, retries = Quantiles(), RetryBudget()
    return Hedge(known, first, retries), first, retries


def test_hedges_after_the_quantile_once_enough_is_known() -> None:
    policy, first, retries = hedge()
    for value in range(1, 21):
        assert policy.after_s(0.0) is None
        first.add(value / 10)
    assert policy.after_s(0.0) == 2.0  # twice the median, which is later than the 95th percentile
    first.add(9.0)
    first.add(9.0)
    assert policy.after_s(0.0) == 9.0
    while retries.left(0.0) >= 5:
        retries.take(0.0)
    assert policy.after_s(0.0) is None  # retries come first
    off, known, _ = hedge(hedge=False)
    for _ in range(50):
        known.add(1.0)
    assert off.after_s(0.0) is None


def test_hedges_within_its_share() -> None:
    policy, _, retries = hedge(hedge_ratio=0.05)
    granted = 0
    for call in range(1, 1001):
        retries.count(call / 1000)
        policy.count(call / 1000)
        granted += policy.take(call / 1000)
        assert granted <= 0.05 * call + 1e-6
    assert granted >= 45


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("6m0s", 360), ("250ms", 0.25), ("1h2m3.5s", 3723.5), ("7.66s", 7.66), ("2", 2),
     ("0", 0), ("", None), (None, None), ("-1s", None), ("soon", None), ("1e400", None),
     ("2026-11-24T00:00:00Z", None), ("1s1", None), ("9" * 400 + "s", None), ("nan", None)],
)  # fmt: skip
def test_durations(text: str | None, seconds: float | None) -> None:
    assert read_duration_s(text) == seconds


@given(st.text(max_size=60))
def test_any_duration_is_read_or_not(text: str) -> None:
    found = read_duration_s(text)
    assert found is None or (found >= 0 and math.isfinite(found))


def test_rate_limits_hold_the_next_call() -> None:
    limit = RateLimit(max_hold_s=30)
    limit.read({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "9s"}, 0.0)
    assert limit.wait_s(0.0) == 0
    limit.read({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2s"}, 0.0)
    limit.read({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s"}, 0.0)
    assert (limit.wait_s(0.5), limit.wait_s(2.0)) == (1.5, 0)
    limit.read({"x-ratelimit-remaining-requests": "0"}, 5.0)
    assert limit.wait_s(5.0) == 0
    limit.hold(1e9, 5.0)
    assert limit.wait_s(5.0) == 30


@pytest.mark.parametrize(
    "wrong",
    [{"retry_ratio": -0.1}, {"limit_backoff": 1.5}, {"limit_max": 3}, {"hedge_least": 0},
     {"breaker_open_s": math.nan}, {"breaker_max_open_s": 1.0}],
)  # fmt: skip
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Resilience(**wrong)  # type: ignore[arg-type]
