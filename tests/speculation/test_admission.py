"""When a call runs ahead of its verdict: the model, its hysteresis, its probes."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentlanes.errors import ConfigError
from agentlanes.speculation.admission import Admission
from agentlanes.speculation.measured import wilson_lower

TIMES = st.floats(0, 100, allow_nan=False)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("verdict"), st.sampled_from("ab"), st.booleans()),
        st.tuples(st.just("act"), st.none(), TIMES),
        st.tuples(st.just("reason"), st.none(), TIMES),
        st.tuples(st.just("tool"), st.sampled_from("ab"), TIMES),
        st.tuples(st.just("admit"), st.sampled_from("ab"), st.integers(0, 30)),
    ),
    max_size=120,
)


def play(admission: Admission, events: list[tuple[str, Any, Any]]) -> list[Any]:
    """Feed events a second apart; give the decisions."""
    decisions = []
    for now, (what, tool, value) in enumerate(events):
        if what == "verdict":
            admission.observe_verdict(tool, value, now=now)
        elif what == "admit":
            decisions.append(admission.admit(tool, in_flight=value, now=now))
        else:
            admission.observe_time(what, value, tool=tool)  # type: ignore[arg-type]
    return decisions


def judged(admission: Admission, accepted: int, rejected: int, tool: str = "t") -> None:
    for verdict in [True] * accepted + [False] * rejected:
        admission.observe_verdict(tool, verdict, now=0)


@pytest.mark.parametrize(
    ("accepted", "total", "z", "by_hand"),
    [
        # (k + z²/2 - z sqrt(k(n-k)/n + z²/4)) / (n + z²), worked out on paper
        (0, 0, 1.96, 0.0),
        (0, 10, 1.96, 0.0),
        (10, 10, 1.96, 10 / 13.8416),  # all accepted: n / (n + z²)
        (8, 10, 2.0, (8 + 2 - 2 * math.sqrt(1.6 + 1)) / 14),
        (1, 2, 1.0, (1 + 0.5 - math.sqrt(0.5 + 0.25)) / 3),
        (5, 10, 0.0, 0.5),
    ],
)
def test_the_bound_is_wilsons(accepted: int, total: int, z: float, by_hand: float) -> None:
    assert wilson_lower(accepted, total, z) == pytest.approx(by_hand, abs=1e-12)


@given(total=st.integers(1, 200), z=st.floats(0.1, 4), data=st.data())
def test_the_bound_solves_wilsons_equation(total: int, z: float, data: st.DataObject) -> None:
    """The score interval's ends p are where |k/n - p| = z sqrt(p(1-p)/n)."""
    accepted = data.draw(st.integers(0, total))
    low = wilson_lower(accepted, total, z)
    share = accepted / total
    assert 0 <= low <= share
    assert share - low == pytest.approx(z * math.sqrt(low * (1 - low) / total), abs=1e-9)
    if accepted < total:
        assert low < wilson_lower(accepted + 1, total, z)


def test_saving_and_waste_are_as_worked_out_by_hand() -> None:
    admission = Admission(z=2.0, capacity=4, waste_weight=0.5)
    for what, seconds in (("act", 0.5), ("reason", 6.0), ("tool", 1.0)):
        admission.observe_time(what, seconds, tool="t")  # type: ignore[arg-type]
    judged(admission, 8, 2)
    low = (8 + 2 - 2 * math.sqrt(2.6)) / 14
    decision = admission.admit("t", in_flight=2, now=1)
    assert decision.accept_low == pytest.approx(low)
    assert decision.saving_s == pytest.approx(low * 1.5)
    assert decision.waste_s == pytest.approx((1 - low) * 1.5 * 0.5 * 1.5)
    assert decision.run_ahead


def test_a_verdict_that_comes_before_the_tool_ends_hides_less_than_it_wastes() -> None:
    admission = Admission(min_verdicts=1, z=0.0, waste_weight=1.0)
    for what, seconds in (("act", 1.0), ("reason", 2.0), ("tool", 8.0)):
        admission.observe_time(what, seconds, tool="t")  # type: ignore[arg-type]
    judged(admission, 3, 1)  # z=0: the share itself, 3/4
    decision = admission.admit("t", in_flight=0, now=1)
    assert decision.saving_s == pytest.approx(0.75 * 2.0)
    assert decision.waste_s == pytest.approx(0.25 * 8.0)
    assert not decision.run_ahead
    admission.observe_time("tool", 0.5, tool="u")
    assert admission.admit("u", in_flight=0, now=1).run_ahead  # 3/4 of 1.5 s against 1/4 of 1.5 s


def test_without_evidence_calls_run_ahead() -> None:
    admission = Admission(min_verdicts=5)
    judged(admission, 0, 4)
    decision = admission.admit("t", in_flight=50, now=0)
    assert decision.run_ahead
    assert decision.why == "no evidence yet"
    judged(admission, 0, 1)
    assert not admission.admit("t", in_flight=0, now=0).run_ahead


def test_a_new_tool_begins_with_what_is_known_of_the_lane() -> None:
    admission = Admission(min_verdicts=4)
    judged(admission, 0, 4, tool="t")
    assert not admission.admit("new", in_flight=0, now=0).run_ahead
    judged(admission, 30, 0, tool="new")
    assert admission.admit("new", in_flight=0, now=0).run_ahead
    assert not admission.admit("t", in_flight=0, now=0).run_ahead


def test_it_comes_back_on_later_than_it_went_off() -> None:
    admission = Admission(z=0.0, min_verdicts=1, window=10, hysteresis=1.4, waste_weight=1.0)
    judged(admission, 5, 5)
    assert admission.table()[0]["state"] == "on"  # 0.5 against 0.5
    judged(admission, 0, 1)  # the oldest verdict, an approval, is dropped: 0.4
    assert admission.table()[0]["state"] == "off"
    judged(admission, 5, 0)
    assert (admission.table()[0]["accepted"], admission.table()[0]["state"]) == (5, "off")
    judged(admission, 1, 0)
    assert (admission.table()[0]["accepted"], admission.table()[0]["state"]) == (6, "on")


def test_load_holds_single_calls_back_and_changes_no_state() -> None:
    admission = Admission(z=0.0, min_verdicts=1, capacity=4, waste_weight=1.0)
    judged(admission, 3, 1)
    assert admission.admit("t", in_flight=8, now=0).run_ahead  # 3/4 against three times 1/4
    held = admission.admit("t", in_flight=9, now=0)
    assert (held.run_ahead, held.probe) == (False, False)
    assert "in flight" in held.why
    assert admission.table()[0]["state"] == "on"


def test_probes_by_count_and_by_time() -> None:
    admission = Admission(min_verdicts=1, probe_every=4, probe_s=100, capacity=3)
    judged(admission, 0, 1)
    said = [admission.admit("t", in_flight=0, now=i) for i in range(8)]
    assert [d.run_ahead for d in said] == [False, False, False, True] * 2
    assert [d.probe for d in said] == [False, False, False, True] * 2
    assert admission.table()[0]["state"] == "probing"
    judged(admission, 0, 1)
    assert admission.table()[0]["state"] == "off"
    assert not admission.admit("t", in_flight=0, now=8).run_ahead
    assert not admission.admit("t", in_flight=3, now=300).run_ahead  # due, but it is full
    assert admission.admit("t", in_flight=2, now=301).probe
    assert not admission.admit("t", in_flight=0, now=302).run_ahead
    assert not admission.admit("t", in_flight=0, now=5).run_ahead  # another clock, from 5 on
    assert admission.admit("t", in_flight=0, now=105).probe


def test_the_table_says_what_there_is() -> None:
    admission = Admission(min_verdicts=2, z=1.0)
    judged(admission, 2, 0, tool="b")
    judged(admission, 0, 2, tool="a")
    admission.admit("b", in_flight=0, now=7)
    a, b = admission.table()
    assert (a["tool"], a["calls"], a["accepted"], a["state"]) == ("a", 2, 0, "off")
    assert (b["tool"], b["calls"], b["accepted"], b["state"]) == ("b", 2, 2, "on")
    assert (b["ahead"], b["held"], b["probes"], b["since"]) == (1, 0, 0, 0)


@given(first=EVENTS, then=EVENTS)
def test_what_is_kept_goes_on_as_if_nothing_had_been(first: list[Any], then: list[Any]) -> None:
    # Probes go by counts and times of the process, which are not kept.
    settings: dict[str, Any] = {"min_verdicts": 3, "probe_every": 10**9, "probe_s": 10**9}
    one, other = Admission(**settings), Admission(**settings)
    play(one, first)
    other.restore(json.loads(json.dumps(one.snapshot())))
    assert other.snapshot() == one.snapshot()
    assert play(other, then) == play(one, then)


@given(events=EVENTS, weight=st.floats(0, 10), ratio=st.floats(1, 4))
def test_whatever_happens_the_numbers_make_sense(
    events: list[Any], weight: float, ratio: float
) -> None:
    admission = Admission(min_verdicts=3, waste_weight=weight, hysteresis=ratio, probe_every=5)
    for decision in play(admission, events):
        assert 0 <= decision.accept_low <= 1
        assert decision.saving_s >= 0
        assert decision.waste_s >= 0
        assert decision.run_ahead or not decision.probe
        if weight == 0:
            assert decision.run_ahead
    for row in admission.table():
        assert 0 <= row["accepted"] <= row["calls"] <= admission.window
        assert row["probes"] <= row["ahead"]


@given(before=EVENTS)
@example(before=[("act", None, 5e-324)])
def test_good_or_bad_news_wins_in_the_end(before: list[Any]) -> None:
    """Whatever went before, one window of verdicts turns a tool on or off."""
    admission = Admission(min_verdicts=3, window=20)
    play(admission, before)
    admission.observe_time("reason", 10.0)
    judged(admission, 0, 20, tool="a")
    assert admission.table()[0]["state"] == "off"
    for seconds in [1.0] * 20:
        admission.observe_time("tool", seconds, tool="a")
        admission.observe_time("reason", 10 * seconds)
    judged(admission, 20, 0, tool="a")
    decision = admission.admit("a", in_flight=0, now=0)
    assert (decision.run_ahead, decision.probe) == (True, False)
    # While it is off it never stays silent for longer than `probe_every` calls.
    judged(admission, 0, 20, tool="a")
    calls = [admission.admit("a", in_flight=0, now=0) for _ in range(3 * 16)]
    assert sum(c.probe for c in calls) == 3


def test_memory_is_bounded() -> None:
    admission = Admission(window=10, max_tools=5)
    for i in range(200):
        admission.observe_verdict(f"t{i}", True, now=i)
        admission.observe_time("tool", 1.0, tool=f"t{i}")
        admission.observe_time("act", 1.0)
        admission.observe_verdict("kept", i % 2 == 0, now=i)
    kept = admission.snapshot()
    assert len(kept["tools"]) == 5
    assert "kept" in kept["tools"]
    assert len(kept["tools"]["kept"]["verdicts"]) == len(kept["times"]["act"]) == 10
    assert len(kept["lane"]) == 10


@pytest.mark.parametrize(
    "settings",
    [
        {"z": -1.0},
        {"z": math.nan},
        {"window": 0},
        {"min_verdicts": 65},
        {"capacity": 0},
        {"waste_weight": math.inf},
        {"hysteresis": 0.9},
        {"probe_every": 0},
        {"probe_s": -1.0},
        {"max_tools": 0},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Admission(**settings)


@pytest.mark.parametrize(
    "snapshot",
    [
        {},
        {"format": 99},
        {"format": 1, "lane": ["yes"], "times": {}, "tools": {}},
        {"format": 1, "lane": [], "times": {"act": [-1], "reason": [], "any_tool": []}},
        {"format": 1, "lane": [], "times": [], "tools": {}},
        [],
    ],
)
def test_what_is_no_snapshot_changes_nothing(snapshot: Any) -> None:
    admission = Admission()
    judged(admission, 3, 1)
    before = admission.snapshot()
    with pytest.raises(ConfigError, match="snapshot"):
        admission.restore(snapshot)
    assert admission.snapshot() == before


def test_times_that_are_none_are_passed_over() -> None:
    admission = Admission()
    for seconds in (math.nan, math.inf, -1.0):
        admission.observe_time("act", seconds)
    assert admission.snapshot()["times"]["act"] == []
    with pytest.raises(ConfigError, match="act"):
        admission.observe_time("nap", 1.0)  # type: ignore[arg-type]


def test_a_tool_that_the_lanes_record_turned_off_is_probed_too() -> None:
    admission = Admission(min_verdicts=8, probe_every=4)
    judged(admission, 1, 0, tool="t")
    judged(admission, 0, 30, tool="other")
    said = [admission.admit("t", in_flight=0, now=1) for _ in range(4)]
    assert [d.run_ahead for d in said] == [False, False, False, True]
    assert next(r["state"] for r in admission.table() if r["tool"] == "t") == "probing"
