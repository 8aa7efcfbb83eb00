from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from agentlanes.cli.summary import report_line, time_line
from agentlanes.latency.record import blank_record


def span(id: str, kind: str, start: float, end: float, *after: str) -> Any:
    told = {"id": id, "kind": kind, "name": "", "start_ms": start, "end_ms": end}
    return {**told, "after": list(after), "outcome": "committed"}


def record(*spans: Any) -> Any:
    known = {"step": 0, "window": 0, "node": "act", "lane": "act", "outcome": "committed"}
    return blank_record(**known, spans=list(spans))


def test_where_the_time_went_adds_up() -> None:
    records = [
        record(span("w0.draft0", "act", 0.0, 100.0)),
        record(span("w0.p0.tool", "tool", 100.0, 500.0, "w0.draft0")),
        record(span("w0.p0.verdict", "reason", 100.0, 900.0, "w0.draft0")),
        record(span("answer", "act", 900.0, 1000.0, "w0.p0.tool", "w0.p0.verdict")),
    ]
    line = time_line(records, 1000.0)
    assert line == (
        "Where 1.00 s went: waiting for verdicts 800 ms (80%), in the act lane 200 ms (20%). "
        "Waiting for every verdict would have taken 1.40 s."
    )
    longer = time_line(records, 2000.0)
    assert longer is not None
    assert "in the library itself 1.00 s (50%)" in longer
    assert sum(int(share) for share in re.findall(r"\((\d+)%\)", longer)) == 100


def test_nothing_is_said_without_spans() -> None:
    assert time_line([], 10.0) is None
    assert time_line([record()], 10.0) is None


def test_the_command_can_be_pasted() -> None:
    assert report_line(Path("a b"), "r*.jsonl") == (
        "See it: agentlanes report 'a b'/r*.jsonl --html report.html"
    )
