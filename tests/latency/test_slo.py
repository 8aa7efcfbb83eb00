"""Service levels, their budgets, and what the library itself takes of a target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentlanes.errors import ConfigError
from agentlanes.latency.metric import metric_of
from agentlanes.latency.slo import PROFILE_SLOS, Slo, check, own_share, own_times, read_slos
from tests.latency.test_critical import span
from tests.latency.test_spans import run


def steps(*durations: float, **more: Any) -> list[dict[str, Any]]:
    known = {"lane": "act", "profile": "api_formatting", "attempts": 1, **more}
    return [{**known, "duration_ms": ms} for ms in durations]


def test_the_budget_is_what_the_objective_leaves() -> None:
    (result,) = check(steps(*[50] * 19, 150), [Slo(name="act", target_ms=100, lane="act")]).results
    assert (result.steps, result.good, result.slow, result.allowed) == (20, 19, 1, 1)
    assert (result.ok, result.budget_left, result.good_share) == (True, 0, 0.95)
    worse = check(steps(*[50] * 18, 150, 100), [Slo(name="act", target_ms=100, lane="act")])
    assert not worse.ok
    assert worse.broken[0].budget_left == -1


def test_only_lane_calls_of_known_length_count() -> None:
    records = [*steps(50), *steps(500, lane=None), *steps(500, attempts=0), {"lane": "act"}]
    (result,) = check(records, [Slo(name="all", target_ms=100)]).results
    assert (result.steps, result.ok) == (1, True)


def test_the_profiles_come_with_theirs_and_users_bring_their_own() -> None:
    assert [(slo.profile, slo.lane, slo.target_ms) for slo in PROFILE_SLOS] == [
        ("api_formatting", "act", 100),
        ("retrieval", "act", 150),
        ("plan_validation", "reason", 120_000),
        ("formal_verification", "reason", 300_000),
    ]
    own = Slo(name="chat", target_ms=300, profile="chat", objective=1)
    records = steps(200, 299, profile="chat")
    (result,) = check(records, [own], wall_ms=4000).results
    assert (result.ok, result.goodput_per_s, result.budget_left) == (True, 0.5, None)
    assert not check(steps(300, profile="chat"), [own]).ok


def test_nothing_measured_breaks_nothing() -> None:
    assert check([]).ok
    assert all(result.good_share is None for result in check([]).results)


def test_metrics_add_up_before_they_are_divided() -> None:
    records = []
    for output, took in ((10, 1000.0), (400, 2000.0)):
        tokens = {"input": 100, "output": output, "cached": None, "reasoning": None}
        (record,) = steps(took, tokens=tokens)
        record["metric_name"], record["metric_value"] = metric_of(record)
        records.append(record)
    (result,) = check(records, [Slo(name="f", target_ms=9e9, profile="api_formatting")]).results
    assert [record["metric_value"] for record in records] == [10, 200]
    assert (result.metric_name, result.metric_value) == ("output_tokens_per_s", 410 / 3)


@pytest.mark.parametrize(
    ("profile", "verdict", "right", "value"),
    [
        ("plan_validation", "approve", True, 1.0),
        ("plan_validation", "approve", False, 0.0),
        ("plan_validation", "approve", None, None),
        ("formal_verification", "reject", None, 1.0),
        ("formal_verification", "unknown", None, 0.0),
        ("formal_verification", None, None, None),
    ],
)
def test_verdicts_are_measured(
    profile: str, verdict: str | None, right: bool | None, value: float | None
) -> None:
    (record,) = steps(5000, lane="reason", profile=profile)
    assert metric_of(record, verdict=verdict, right=right)[1] == value
    assert metric_of({**record, "lane": "act"}, verdict=verdict, right=right) == (None, None)


def test_a_checker_measures_the_verdicts_of_a_run() -> None:
    result, _ = run(checker=lambda case: case.proposal["tool"] != "store" or None)
    values = [r["metric_value"] for r in result["steps"] if r["lane"] == "reason"]
    assert {r["profile"] for r in result["steps"]} != {"plan_validation"}
    assert values == [None] * len(values)
    result, _ = run(checker=lambda case: case.proposal["args"] != {"key": "b"}, profile=PLANS)
    values = [r["metric_value"] for r in result["steps"] if r["lane"] == "reason"]
    assert values == [1, 0, 1, 1, 1]


PLANS = "plan_validation"


def test_service_levels_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "slo.toml"
    path.write_text('[[slo]]\nname = "chat"\ntarget_ms = 250\nprofile = "chat"\nobjective = 0.99\n')
    assert read_slos(path) == [Slo(name="chat", target_ms=250, profile="chat", objective=0.99)]
    for wrong in ("", "[[slo]]\n", '[[slo]]\nname = "x"\ntarget = 1\n', "slo = 3", "slo ="):
        path.write_text(wrong)
        with pytest.raises(ConfigError, match="no service levels"):
            read_slos(path)
    path.write_text('[[slo]]\nname = "x"\ntarget_ms = 0\n')
    with pytest.raises(ConfigError, match="target_ms is above 0"):
        read_slos(path)


def test_the_library_is_measured_net_of_models_and_tools() -> None:
    spans = [
        [span("w0.draft0", "act", 2, 82), span("w0.p0.tool", "tool", 83, 183, "w0.draft0")],
        [span("w0.p0.verdict", "reason", 82.5, 982.5, "w0.draft0")],
        [span("answer", "act", 985, 1000, "w0.p0.tool", "w0.p0.verdict")],
    ]
    lanes = ["act", "reason", "act"]
    records = [
        {"spans": own, "lane": lane, "profile": "api_formatting"}
        for own, lane in zip(spans, lanes, strict=True)
    ]
    assert own_times(records) == [3, 0.5, 2.5]
    (share,) = own_share([records, records])
    assert (share.profile, share.target_ms, share.steps) == ("api_formatting", 100, 4)
    assert (share.p50_ms, share.p95_ms, share.max_ms, share.share) == (2.5, 3, 3, 0.03)
