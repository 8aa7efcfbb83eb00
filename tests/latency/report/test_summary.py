"""Terminal, page and JSON are made of one report, whose figures are those of the parts."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from agentlanes.latency.histogram import Histogram
from agentlanes.latency.jsonl import read_run
from agentlanes.latency.prices import Price
from agentlanes.latency.report.page import report_page
from agentlanes.latency.report.summary import Report, gather
from agentlanes.latency.report.terminal import report_text
from agentlanes.latency.slo import Slo
from tests.latency.made import write_run


def text_of(report: Report, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    for part in report_text(report):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def report(tmp_path: Path) -> Report:
    runs = [read_run(write_run(tmp_path, f"r{n}", steps=20, seed=n)) for n in range(3)]
    before = [read_run(write_run(tmp_path, f"b{n}", steps=30, seed=n + 9)) for n in range(3)]
    return gather(runs, before=before, slos=[Slo(name="act", target_ms=400, lane="act")])


def test_the_json_says_what_the_parts_say(report: Report) -> None:
    said = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert said["wall_ms"] == pytest.approx(sum(said["causes_ms"].values()), abs=0.01)
    for run, facts in zip(said["runs"], report.runs, strict=True):
        assert facts.against is not None
        assert run["saved_ms"] == pytest.approx(run["serial_ms"] - run["wall_ms"], abs=0.01)
        parts = [part["end_ms"] - part["start_ms"] for part in run["critical_path"]]
        assert sum(parts) == pytest.approx(run["wall_ms"], abs=0.01)
    (level,) = said["service_levels"]
    calls = [r["duration_ms"] for f in report.runs for r in f.records if r["lane"] == "act"]
    assert (level["steps"], level["slow"]) == (len(calls), sum(ms >= 400 for ms in calls))
    act = said["latencies"]["lane"]["act"]
    assert Histogram.decode(act["hdr"]).quantiles().p95_ms == act["p95_ms"]


def test_all_forms_say_the_same(report: Report) -> None:
    text, page, said = text_of(report), report_page(report), report.to_json()
    figures = report.latencies["lane"]["reason"].quantiles()
    for shown in (text, page):
        assert f"{figures.count}" in shown
        for change in report.changes:
            if change.ratio is not None:
                assert f"{change.ratio - 1:+.1%}" in shown
    first = said["headline"].partition(";")[0]
    assert first in text
    assert first in page


@pytest.mark.parametrize("width", [100, 60])
def test_the_text_fits_its_terminal(report: Report, width: int) -> None:
    for one in (report, gather([report.runs[0].run])):
        assert max(len(line) for line in text_of(one, width).splitlines()) <= width


def test_figures_that_were_nothing_on_both_sides_are_left_out(report: Report) -> None:
    names = [change.name for change in report.changes]
    assert "wall_ms mean" in names
    assert "undo_ms mean" not in names


def test_money_is_unknown_without_prices_and_counted_with_them(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, "r"))
    unknown = gather([run]).to_json()["runs"][0]["spent"]["cost_usd"]
    prices = {name: Price(input_usd=1.0, output_usd=2.0) for name in ("gpt-5-nano", "gpt-5.5")}
    spent = gather([run], prices=prices).to_json()["runs"][0]["spent"]
    assert unknown is None
    expected = (spent["input_tokens"] + 2 * spent["output_tokens"]) / 1e6
    assert spent["cost_usd"] == pytest.approx(expected)


def test_without_the_extra_all_but_the_quantiles_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hdrh.histogram", None)  # as if it were not installed
    found = gather([read_run(write_run(tmp_path, "r"))])
    assert found.to_json()["latencies"] == {}
    for said in (text_of(found), report_page(found).replace("&apos;", "'")):
        assert "pip install 'agentlanes[report]'" in said
        assert "Service levels" in said
