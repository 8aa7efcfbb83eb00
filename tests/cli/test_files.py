from __future__ import annotations

from pathlib import Path

from agentlanes.cli.files import RunFiles
from agentlanes.latency.jsonl import read_runs
from agentlanes.latency.record import blank_record


def test_only_this_librarys_events_name_a_run(tmp_path: Path) -> None:
    record = blank_record(step=0, window=0, node="act", outcome="committed")
    with RunFiles(tmp_path, "r", "graph", {"input": "x"}) as files:
        for event in (None, "text", {"run": "other"}, {"type": "progress", "run": "another"}):
            files.event(event)
        files.event({"type": "agentlanes.label", "row": {}})
        files.event({"type": "agentlanes.steps", "run": "u", "window": 0, "records": [record]})
        files.event({"type": "progress", "run": "another"})
        files.end("done", steps=[], wall_ms=7.0)
    (run,) = read_runs(tmp_path)
    assert (files.shown, files.records) == ("r.jsonl", {"u": [record]})
    assert run.steps == [record]
    assert run.result is not None
    assert run.result["wall_ms"] == 7.0


def test_what_is_cut_short_leaves_a_last_line_in_every_file(tmp_path: Path) -> None:
    try:
        with RunFiles(tmp_path, "r", "graph", {}) as files:
            for uid in ("u", "v"):
                files.event({"type": "agentlanes.steps", "run": uid, "window": 0, "records": []})
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert files.shown == "r*.jsonl"
    assert [run.status for run in read_runs(tmp_path)] == ["stopped", "stopped"]
