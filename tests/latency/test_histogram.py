"""Histograms: they add up, their quantiles are true, and they know whose times they hold."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentlanes.latency.histogram import Histogram, latencies_by
from agentlanes.latency.record import blank_record

pytest.importorskip("hdrh", reason="needs the extra `report`")

TIMES = st.lists(st.floats(0, 3.6e6), max_size=40)


@settings(max_examples=20, deadline=None)
@given(TIMES, TIMES)
def test_two_halves_make_the_whole(one: list[float], other: list[float]) -> None:
    merged, whole = Histogram(one), Histogram([*one, *other])
    merged.merge(Histogram(other))
    assert merged.quantiles() == whole.quantiles()
    assert merged.bins() == whole.bins()
    again = Histogram.decode(merged.encode())
    assert again.quantiles() == whole.quantiles()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0.01, 3.6e6), min_size=1, max_size=60), st.sampled_from([50, 90, 99]))
def test_a_quantile_is_true_to_a_thousandth(times: list[float], percent: int) -> None:
    rank = max(0, -(-len(times) * percent // 100) - 1)
    true = sorted(times)[rank]
    found = Histogram(times).quantile_ms(percent)
    assert found == pytest.approx(true, rel=1.1e-3, abs=1.5e-3)


def test_no_times_have_no_quantiles() -> None:
    empty = Histogram().quantiles()
    assert (empty.count, empty.p50_ms, empty.max_ms) == (0, None, None)
    assert Histogram().bins() == []


def test_what_does_not_fit_counts_at_the_end_of_the_scale() -> None:
    assert Histogram([-5.0]).quantile_ms(100) == 0
    assert Histogram([1e12]).quantile_ms(100) == pytest.approx(24 * 3600e3, rel=1e-3)


def test_bins_hold_every_time_once_and_touch() -> None:
    bins = Histogram([1.0, 1.2, 3.0, 100.0, 0.0]).bins()
    assert sum(each.count for each in bins) == 5
    assert all(left.to_ms == pytest.approx(right.from_ms) for left, right in pairwise(bins))


@pytest.mark.parametrize("text", ["", "abc", "HISTFAAAACF4nA=="])
def test_other_text_is_no_histogram(text: str) -> None:
    with pytest.raises(ValueError, match="no encoded HdrHistogram"):
        Histogram.decode(text)


def test_times_are_found_by_lane_profile_model_and_tool() -> None:
    call = blank_record(
        node="act", lane="act", attempts=1, duration_ms=80.0, profile="retrieval", model="small"
    )
    judged = blank_record(node="reason", lane="reason", attempts=2, duration_ms=900.0, model="big")
    issued = blank_record(node="act", lane="act", attempts=0, duration_ms=5.0)
    tool = {"kind": "tool", "name": "look", "start_ms": 10.0, "end_ms": 35.0}
    issued["spans"] = [tool, {**tool, "kind": "wait"}]  # type: ignore[typeddict-unknown-key]
    records = [call, judged, issued]
    assert {name: each.count for name, each in latencies_by("lane", records).items()} == {
        "act": 1,
        "reason": 1,
    }
    assert list(latencies_by("profile", records)) == ["retrieval/act"]
    assert list(latencies_by("model", records)) == ["big", "small"]
    looks = latencies_by("tool", records)["look"]
    assert (looks.count, looks.quantile_ms(50)) == (1, pytest.approx(25.0, rel=1e-3))
