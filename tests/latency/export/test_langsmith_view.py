"""The filters that docs/exporting.md names for LangSmith find what they say, field by field."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agentlanes import build_agent
from agentlanes.latency.export.names import METRICS
from agentlanes.latency.langsmith import flush
from tests.latency.ingest import Ingest, Run
from tests.oracle import Oracle, World

PAGE = (Path(__file__).parents[3] / "docs" / "exporting.md").read_text(encoding="utf-8")
FILTERS = dict(re.findall(r"^\| ([^|]+) \| `((?:and|has|eq|gt)\(.+\))` \|$", PAGE, re.MULTILINE))
TRUTH = [("look", {"key": "a"}), ("store", {"key": "x", "value": "1"}), ("look", {"key": "x"})]


def found_by(query: str, run: Run) -> bool:
    """Ask one run what LangSmith's filter language asks: `and`, `has` a tag, `eq` and `gt`."""

    def has(field: str, value: str) -> bool:
        return value in (run.get(field) or [])

    def eq(field: str, value: str) -> bool:
        return bool(run[field] == value)

    def gt(field: str, seconds: float) -> bool:
        assert field == "latency"
        took = datetime.fromisoformat(run["end_time"]) - datetime.fromisoformat(run["start_time"])
        # Scripted lanes answer at once, so any time at all counts as long.
        return took.total_seconds() > seconds / 1e6

    names: dict[str, Any] = {"has": has, "eq": eq, "gt": gt, "and_": lambda *all_: all(all_)}
    fields = {name: name for name in ("tags", "name", "run_type", "latency")}
    code = query.replace("and(", "and_(")
    return bool(eval(code, {"__builtins__": {}}, {**names, **fields}))


@pytest.mark.parametrize("planning", ["never", "always"])
async def test_each_filter_finds_what_it_says(ingest: Ingest, planning: str) -> None:
    oracle = Oracle(TRUTH, act_s=0.002, reason_s=0.005)
    agent = build_agent(oracle.act, oracle.reason, World().tools(), planning=planning)
    await agent.ainvoke({"messages": [("user", "do it")]})
    assert flush(20)
    runs = list(ingest.runs.values())
    found = {what: [r for r in runs if found_by(query, r)] for what, query in FILTERS.items()}
    assert len(found) == 6
    empty = [what for what, those in found.items() if not those]
    issued = "calls that a plan issued, without a model"
    assert empty == ([issued] if planning == "never" else [])
    assert all(len(those) < len(runs) for those in found.values())
    assert len(found["final answers"]) == 1
    assert len(found["effects"]) == 1
    judged = found["all that the reason lane was asked"]
    assert {run["name"] for run in judged} == {"verdict"}
    assert found["verdicts that took over ten seconds"] == judged
    act = found["act lane calls over their 100 ms"]
    assert {run["name"] for run in act} <= {"plan", "draft", "answer"}


def test_every_metric_is_on_the_page() -> None:
    told = re.findall(r"^\| `([a-z_.]+)` \|", PAGE, re.MULTILINE)
    assert told == [metric.name for metric in METRICS.values()]
