"""What is worked out of a run's file once, for every form of the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentlanes.latency.jsonl import RunLog, read_run
from agentlanes.latency.record import blank_record
from agentlanes.latency.report.facts import facts_of, totals
from agentlanes.latency.report.headline import headline, headline_of_all
from tests.latency.made import write_run


def test_causes_add_up_to_the_wall_time_and_the_largest_is_first(tmp_path: Path) -> None:
    facts = facts_of(read_run(write_run(tmp_path, "r", steps=60, seed=3)))
    assert facts.wall_ms is not None
    assert sum(facts.causes.values()) == pytest.approx(facts.wall_ms)
    assert list(facts.causes.values()) == sorted(facts.causes.values(), reverse=True)
    assert len(facts.owners) == len(facts.spans)
    assert all(
        facts.spans[at] in facts.records[owner]["spans"] for at, owner in enumerate(facts.owners)
    )


def test_proposals_carry_their_verdict_and_their_fate(tmp_path: Path) -> None:
    facts = facts_of(read_run(write_run(tmp_path, "r", steps=200, seed=1)))
    rejected = [one for one in facts.proposals if one.verdict == "reject"]
    assert rejected
    assert {one.outcome for one in rejected} == {"discarded"}
    assert {one.reason for one in rejected} == {"the order is another customer's"}
    unjudged = [one for one in facts.proposals if one.verdict is None]
    assert all(one.outcome == "discarded" for one in unjudged)


def test_a_plan_shows_its_tools_and_its_verdict_is_that_of_its_calls(tmp_path: Path) -> None:
    event = {"type": "agentlanes.proposal", "window": 0, "index": 0, "kind": "plan", "tool": ""}
    steps = [{"tool": "look", "args": {}}, {"tool": "store", "args": {}}]
    more = {"effect": "", "fenced": False, "rides_on": None}
    call = {**event, **more, "index": 1, "kind": "call", "tool": "look", "steps": [], "rides_on": 0}
    said = {"status": "reject", "by": "reason", "reason": "the wrong order"}
    with RunLog(tmp_path, "r") as log:
        log.event({**event, **more, "steps": steps})
        log.event(call)
        log.event({"type": "agentlanes.verdict", "window": 0, "index": 0, **said})
        log.event({"type": "agentlanes.settled", "window": 7, "outcomes": ["committed"]})
    plan, first = facts_of(read_run(log.path)).proposals
    assert (plan.kind, plan.steps, plan.outcome) == ("plan", ("look", "store"), None)
    assert (plan.verdict, plan.reason) == ("reject", "the wrong order")
    assert (first.verdict, first.by) == ("reject", "the verdict on plan 0.0")


def test_a_run_of_schema_1_is_told_without_a_path(tmp_path: Path) -> None:
    record = {**blank_record(step=0, window=0, node="act", lane="act", outcome="committed")}
    for key in ("version", "spans", "started_ms", "ended_ms", "metric_name", "metric_value"):
        record.pop(key)
    lines = [
        {"type": "run", "schema": 1, "run_id": "old", "graph": "g", "started": "2026-01-01"},
        {"type": "step", **record},
        {"type": "result", "status": "done", "wall_s": 2.5, "answer": "", "committed": []},
    ]
    file = tmp_path / "old.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    facts = facts_of(read_run(file))
    assert (facts.path, facts.against, facts.wall_ms, facts.causes) == (None, None, 2500.0, {})
    assert headline(facts) == ("2.50 s", "")


def test_a_run_without_an_end_is_as_long_as_its_spans(tmp_path: Path) -> None:
    path = write_run(tmp_path, "r", steps=10)
    whole = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(whole[:-1]), encoding="utf-8")
    facts = facts_of(read_run(path))
    assert facts.wall_ms == max(span["end_ms"] for span in facts.spans)
    assert "its file has no end" in headline(facts)[1]


def test_the_headline_says_how_long_why_saved_and_wasted(tmp_path: Path) -> None:
    facts = facts_of(read_run(write_run(tmp_path, "r", steps=24, seed=5)))
    assert facts.against is not None
    first, rest = headline(facts)
    assert first == "16.6 s"
    assert rest.startswith("36% in the act lane; running ahead saved ")
    assert rest.endswith("; wasted 1.76 s")


def test_sums_over_runs_are_sums(tmp_path: Path) -> None:
    runs = [facts_of(read_run(write_run(tmp_path, f"r{n}", seed=n))) for n in range(3)]
    assert sum(totals(runs).values()) == pytest.approx(sum(facts.wall_ms or 0 for facts in runs))
    first, rest = headline_of_all(runs)
    assert first == "3 runs"
    assert "half of them within" in rest


def test_a_run_that_failed_says_so(tmp_path: Path) -> None:
    def fails() -> None:
        with RunLog(tmp_path, "r"):
            raise TimeoutError("not written")

    with pytest.raises(TimeoutError):
        fails()
    assert headline(facts_of(read_run(tmp_path / "r.jsonl")))[1] == "failed with TimeoutError"
