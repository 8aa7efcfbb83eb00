"""The table of steps, as it is printed."""

from __future__ import annotations

import doctest
from io import StringIO
from typing import Any

import pytest
from rich.console import Console, RenderableType

from agentlanes import build_agent
from agentlanes.latency import fitting, jsonl, langsmith, table
from agentlanes.latency.record import StepRecord, Tokens, blank_record
from agentlanes.latency.table import UNKNOWN, lane_summary, step_table, steps_view
from tests.oracle import Oracle, World

MIXED = [("look", {"key": "a"}), ("store", {"key": "x", "value": "1"}), ("look", {"key": "x"})]


def printed(view: RenderableType, width: int = 100, *, color: bool = False) -> list[str]:
    out = StringIO()
    console = Console(
        file=out, width=width, force_terminal=color, color_system="standard" if color else None
    )
    console.print(view)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def record(**known: Any) -> StepRecord:
    return blank_record(**{"step": 0, "window": 0, "node": "act", "lane": "act", **known})


WIDEST = record(
    step=1234,
    window=123,
    attempts=0,
    model="qwen2.5-coder-1.5b-instruct-q4_k_m",
    first_content_ms=45_000_000.0,
    duration_ms=45_000_000.0,
    tool_ms=45_000_000.0,
    verdict_wait_ms=45_000_000.0,
    overlap_saved_ms=45_000_000.0,
    wasted_ms=45_000_000.0,
    tokens=Tokens(input=123_456, output=123_456, reasoning=123_456, cached=123_456),
    outcome="committed",
)


async def test_a_run_has_a_row_a_record_in_order_and_a_line_a_lane() -> None:
    oracle = Oracle(MIXED, wrong={2: ("look", {"key": "q"})})
    agent = build_agent(oracle.act, oracle.reason, World().tools(), planning="never")
    steps = (await agent.ainvoke({"messages": [("user", "do it")]}))["steps"]
    rows = printed(step_table(steps))[1:]
    assert [int(row.split()[0]) for row in rows] == list(range(len(steps)))
    assert [row.split()[2] for row in rows] == [step["node"] for step in steps]
    assert [row.split()[-1] for row in rows] == [step["outcome"] for step in steps]
    summary = [line.split() for line in printed(lane_summary(steps))[1:]]
    assert [line[0] for line in summary] == ["act", "reason", "effects"]
    counts = [sum(step["lane"] == lane for step in steps) for lane in ("act", "reason", None)]
    assert [int(line[1]) for line in summary] == counts


def test_the_widest_step_fits_100_columns() -> None:
    row = printed(step_table([WIDEST]))[1]
    for cell in ("1234", "act (plan)", "qwen2.5-coder…", "123.5k/123.5k", "committed"):
        assert cell in row
    assert row.count("12h30m") == 6
    (line,) = printed(lane_summary([WIDEST]))[1:]
    assert line.count("12h30m") == 4
    assert "…" not in line


def test_unknown_is_not_zero() -> None:
    row = printed(step_table([record(wasted_ms=0.0, outcome="skipped")]))[1].split()
    assert row == ["0", "0", "act", *[UNKNOWN] * 6, "0", "ms", f"{UNKNOWN}/{UNKNOWN}", "skipped"]
    line = printed(lane_summary([record(outcome="skipped")]))[1].split()
    unknown = [*[UNKNOWN] * 5, f"{UNKNOWN}/{UNKNOWN}", UNKNOWN, UNKNOWN]
    assert line == ["act", "1", *unknown]


def test_sums_leave_out_what_is_unknown() -> None:
    tokens = Tokens(input=10, output=None, reasoning=None, cached=4)
    asked = record(duration_ms=100.0, wasted_ms=20.0, tokens=tokens, outcome="discarded")
    blank = record(outcome="committed")
    issued = record(duration_ms=50.0, tool_ms=50.0, attempts=0, outcome="committed")
    line = " ".join(printed(lane_summary([asked, blank, issued]))[1].split())
    dash = UNKNOWN
    assert line == f"act 2 100 ms 50 ms {dash} {dash} 20 ms 10/{dash} {dash} 4"


def test_lanes_outcomes_and_missed_targets_have_colours() -> None:
    act = record(outcome="discarded", target_met=False, duration_ms=5000.0, wasted_ms=5000.0)
    reason = record(node="reason", lane="reason", outcome="committed")
    first, second = printed(step_table([act, reason]), color=True)[1:]
    assert "\x1b[36mact" in first
    assert "\x1b[31mdiscarded" in first
    assert "\x1b[1;31m5.00 s" in first
    assert "\x1b[35mreason" in second
    assert "\x1b[32mcommitted" in second


def test_a_model_name_is_no_markup() -> None:
    rows = printed(step_table([record(model="[red]x[/red]", outcome="committed")]))
    assert "[red]x[/red]" in rows[1]


def test_a_model_name_does_not_steer_the_terminal() -> None:
    rows = printed(step_table([record(model="x\x1b[2J\ny", outcome="committed")]), color=True)
    assert "x?[2J?y" in rows[1]


HEADINGS = [
    *("step", "win", "node", "model", "first", "call", "tool", "wait", "saved", "wasted"),
    *("tokens", "outcome"),
]


@pytest.mark.parametrize(
    ("width", "gone"),
    [
        (120, set()),
        (100, set()),
        (80, {"model", "win", "first"}),
        (60, {"model", "win", "first", "wasted", "saved"}),
        (40, {"model", "win", "first", "wasted", "saved", "tokens", "tool"}),
    ],
)
def test_narrow_tables_leave_columns_out_instead_of_cutting_all(width: int, gone: set[str]) -> None:
    lines = printed(step_table([WIDEST]), width)
    assert lines[0].split() == [name for name in HEADINGS if name not in gone]
    assert ("qwen2.5-coder-1.5b-instruct-q4_k_m" in lines[1]) == (width == 120)
    assert lines[1].count("…") == (width == 100)
    assert lines[1].endswith(" committed")


def test_columns_with_nothing_in_them_go_first() -> None:
    known = record(
        model="qwen2.5-coder-1.5b",
        duration_ms=1.0,
        wasted_ms=0.0,
        outcome="committed",
        verdict_wait_ms=2.0,
        tool_ms=3.0,
        tokens=Tokens(input=12_345, output=87, reasoning=None, cached=None),
    )
    headings = printed(step_table([known]), 70)[0].split()
    assert headings == [name for name in HEADINGS if name not in {"first", "wasted", "saved"}]


@pytest.mark.parametrize("width", [80, 90])
def test_the_summary_is_whole_in_80_columns(width: int) -> None:
    widest: StepRecord = {**WIDEST, "attempts": 1}
    reason: StepRecord = {**widest, "lane": "reason"}
    effect: StepRecord = {**widest, "lane": None}
    lines = printed(lane_summary([widest, reason, effect]), width)
    headings = "lane calls model tools wait saved wasted tokens reasoning cached"
    assert lines[0].split() == headings.split()
    assert "…" not in "".join(lines)
    assert [line.count("12h30m") for line in lines] == [0, 5, 5, 4]
    assert all(line.endswith("123.5k") for line in lines[1:3])


def test_no_records_print_headings_only() -> None:
    assert [line.split()[0] for line in printed(steps_view([])) if line] == ["step", "lane"]


@pytest.mark.parametrize("module", [fitting, table, jsonl, langsmith])
def test_examples(module: Any) -> None:
    done = doctest.testmod(module)
    assert done.attempted > 0
    assert done.failed == 0
