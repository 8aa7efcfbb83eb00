from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from agentlanes.latency.export import observe
from agentlanes.latency.export.files import JsonLines
from agentlanes.latency.export.frames import to_frames
from agentlanes.latency.jsonl import read_runs
from agentlanes.latency.record import StepRecord, blank_record
from agentlanes.latency.spans import Span
from tests.latency.export.served import ASK, served_agent


async def test_a_row_a_step_and_a_row_a_span(tmp_path: Path) -> None:
    with served_agent() as agent:
        watched = observe(agent, JsonLines(tmp_path))
        await watched.ainvoke(ASK)
        await watched.ainvoke(ASK)
    runs = list(read_runs(tmp_path))
    steps, spans = to_frames(runs)
    records = [record for run in runs for record in run.steps]
    assert len(steps) == len(records)
    assert list(spans["id"]) == [span["id"] for record in records for span in record["spans"]]
    assert list(steps["run_id"].unique()) == [run.run_id for run in runs]
    assert set(steps["graph"]) == {"served"}
    assert set(steps["status"]) == {"done"}
    keys = set(StepRecord.__annotations__) - {"spans", "tokens", "prefix"}
    assert keys < set(steps.columns)
    assert set(Span.__annotations__) < set(spans.columns)
    one = steps.iloc[0]
    assert one["tokens_cached"] == records[0]["tokens"]["cached"] == 40
    assert one["prefix_broke"] == "first"
    # What people do with it: where a lane's time went, without a word about unknown values.
    by_lane = steps.groupby("lane")["duration_ms"].sum()
    reason = [r["duration_ms"] or 0.0 for r in records if r["lane"] == "reason"]
    assert abs(by_lane["reason"] - sum(reason)) < 1e-6
    joined = spans.merge(steps, on=["run_id", "step"], suffixes=("", "_step"))
    assert len(joined) == len(spans)


def test_unknown_is_not_nought_and_nothing_is_still_a_table() -> None:
    record = blank_record(step=0, window=0, node="act", lane="act", outcome="committed")
    steps, spans = to_frames([record])
    assert steps["duration_ms"].isna().all()
    assert steps["target_met"].isna().all()
    assert steps["tokens_input"].sum(min_count=1) is pd.NA
    empty = to_frames([])
    for full, bare in ((steps, empty.steps), (spans, empty.spans)):
        assert list(full.columns) == list(bare.columns)
        assert list(full.dtypes) == list(bare.dtypes)
        assert bare.empty


def test_files_of_the_first_schema_are_read_too(tmp_path: Path) -> None:
    record = dict(blank_record(step=0, window=0, node="act", lane="act", outcome="committed"))
    new = ("version", "spans", "prefix", "started_ms", "ended_ms", "metric_name", "metric_value")
    old = {key: value for key, value in record.items() if key not in new}
    lines = [
        {"type": "run", "schema": 1, "run_id": "r", "started": "2026-01-01T00:00:00+00:00"},
        {"type": "step", **old, "duration_ms": 5.0},
        {"type": "result", "status": "done", "wall_s": 0.25},
    ]
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, lines)))
    steps, spans = to_frames(read_runs(tmp_path))
    assert steps.loc[0, ["version", "duration_ms", "run_wall_ms"]].tolist() == [1, 5.0, 250.0]
    assert spans.empty
