"""Verdicts as labels: what a run leaves, what it must not leave, and what is learned from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import START, MessagesState, StateGraph

from agentlanes import build_agent
from agentlanes.errors import ConfigError
from agentlanes.latency.jsonl import RunLog, read_run
from agentlanes.router.draft import DraftCheck, DraftScore
from agentlanes.router.labels import LABEL_EVENT, label_row, labelled
from agentlanes.router.learning import held_back, measure, read_rows
from agentlanes.router.router import StepFeatures
from agentlanes.router.value import apgr, auroc, interval, recovered
from tests.oracle import Call, Oracle, World
from tests.test_graph import MIXED, READS, ask

KEY = "sk-proj-0123456789abcdef0123"


async def events(oracle: Oracle, text: str = "do it", **options: Any) -> list[dict[str, Any]]:
    options = {"planning": "never", **options}
    agent = build_agent(oracle.act, oracle.reason, World().tools(), **options)
    found = [part async for part in agent.astream(ask(text), stream_mode="custom")]
    return [part["row"] for part in found if part["type"] == LABEL_EVENT]


async def test_approvals_say_that_no_reasoning_was_needed() -> None:
    rows = labelled(await events(Oracle(READS)))
    assert [row.target for row in rows] == [0] * (len(READS) + 1)
    assert rows[0].text == "do it"
    assert rows[0].step.n_tools == 3
    assert "made up" in rows[0].draft
    assert not rows[-1].draft  # to finish is no call


@pytest.mark.parametrize("place", [0, 1])
async def test_a_change_that_was_right_is_told_from_the_rest(place: int) -> None:
    wrong: dict[int, Call] = {place: ("look", {"key": "c"})}
    rows = labelled(await events(Oracle(READS, wrong=wrong)))
    assert sorted(row.target for row in rows) == [0] * (len(READS) + 1) + [1]


async def test_a_change_whose_outcome_is_a_fence_counts_too() -> None:
    wrong: dict[int, Call] = {1: ("store", {"key": "x", "value": "9"})}
    assert sum(row.target for row in labelled(await events(Oracle(MIXED, wrong=wrong)))) == 1


class _Counting(DraftCheck):
    """The draft check, counting how often it is asked: under `approve` by labels alone."""

    asked = 0

    def score(self, *args: Any, **given: Any) -> DraftScore:
        self.asked += 1
        return super().score(*args, **given)


async def test_labels_are_made_for_readers_alone() -> None:
    check = _Counting()
    oracle = Oracle(READS)
    agent = build_agent(
        oracle.act, oracle.reason, World().tools(), planning="never", check=check, labels=True
    )
    await agent.ainvoke(ask("do it"))
    async for _ in agent.astream(ask("do it"), stream_mode="updates"):
        pass
    assert check.asked == 0
    found = [part async for part in agent.astream(ask("do it"), stream_mode="custom")]
    assert check.asked == len(READS)
    assert sum(part["type"] == LABEL_EVENT for part in found) == len(READS) + 1


async def test_a_graph_above_that_streams_reads_the_labels_below() -> None:
    oracle = Oracle(READS)
    agent = build_agent(oracle.act, oracle.reason, World().tools(), planning="never", labels=True)
    above = StateGraph(MessagesState)
    above.add_node("agent", agent)
    above.add_edge(START, "agent")
    told = above.compile().astream(ask("do it"), stream_mode="custom", subgraphs=True)
    found = [part async for _, part in told]
    assert sum(part["type"] == LABEL_EVENT for part in found) == len(READS) + 1


def row(index: int, verdict: str = "approve", **known: Any) -> Any:
    given = {
        "run": "r",
        "window": 0,
        "text": "t",
        "step": StepFeatures(),
        "effect": "read",
        "draft": {},
        "p_wrong": None,
        "p_reason": 0.5,
        "by": "reason",
        "fate": "committed" if verdict == "approve" else "discarded",
        "failed": False,
        "subject": {"kind": "call", "tool": "f", "args": {"n": index}},
    }
    return label_row(**{**given, **known}, index=index, verdict=verdict)


def targets(*rows: Any) -> list[int]:
    return [found.target for found in labelled(rows)]


def test_a_rejection_that_came_to_nothing_is_no_label() -> None:
    assert targets(row(0), row(1, "reject")) == [0]


def test_a_rejection_of_what_was_committed_all_the_same_was_not_right() -> None:
    same = {"kind": "call", "tool": "f", "args": {"n": 7}}
    assert targets(row(0, "reject", subject=same), row(0, window=1, subject=same)) == [0, 0]


def test_a_change_that_failed_was_not_right() -> None:
    assert targets(row(0, "reject"), row(1, window=1, failed=True)) == [0, 0]


def test_what_code_or_a_plan_said_teaches_nothing_but_shows_what_followed() -> None:
    assert targets(row(0, "reject", by="code"), row(1, "reject"), row(2, by="plan", window=1)) == [
        1
    ]


def test_an_approval_of_work_that_was_thrown_away_is_no_label() -> None:
    assert targets(row(0, "reject"), row(1, fate="discarded"), row(2, window=1)) == [1, 0]


def test_rows_of_other_runs_and_forms_do_not_mix() -> None:
    assert targets(row(0, "reject"), row(1, run="other"), {"version": 99}, {"x": 1}) == [0]


async def test_nothing_secret_is_in_a_row() -> None:
    said = f"Use {KEY} at https://me:pa55word@host/x. My password: hunter22"
    wrong: dict[int, Call] = {0: ("look", {"key": "private-argument"})}
    rows = await events(Oracle(READS, wrong=wrong), said)
    written = json.dumps(rows)
    assert rows
    for secret in (KEY, "pa55word", "hunter22", "private-argument"):
        assert secret not in written
    assert "nothing" not in written  # a result


def test_long_words_are_cut_after_they_are_redacted() -> None:
    text = "a" * 1995 + f" {KEY} " + "b" * 9000
    shown = row(0, text=text)["text"]
    assert len(shown) < 4100
    assert "sk-proj" not in shown


async def test_labels_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await events(Oracle(READS), labels=False) == []
    monkeypatch.setenv("AGENTLANES_LABELS", "0")
    assert await events(Oracle(READS)) == []
    assert await events(Oracle(READS), labels=True)


async def test_they_are_read_back_from_run_files_and_from_exports(tmp_path: Path) -> None:
    wrong: dict[int, Call] = {1: ("look", {"key": "c"})}
    rows = await events(Oracle(READS, wrong=wrong))
    with RunLog(tmp_path / "runs", "one") as log:
        for given in rows:
            log.event({"type": LABEL_EVENT, "row": given})
        log.result()
    with (tmp_path / "runs" / "one.jsonl").open("a") as file:
        file.write('{"type": "label", "torn')
    run = {
        "run_type": "chain",
        "name": "settle",
        "extra": {"metadata": {"agentlanes_labels": rows}},
    }
    (tmp_path / "list.json").write_text(json.dumps([{"name": "other"}, run]))
    (tmp_path / "runs.json").write_text(json.dumps({"runs": [run]}))
    (tmp_path / "lines.jsonl").write_text(f"{json.dumps(run)}\n{json.dumps({'extra': None})}\n")
    for place in ("runs", "list.json", "runs.json", "lines.jsonl"):
        assert list(read_rows([tmp_path / place])) == rows, place
    assert read_run(tmp_path / "runs" / "one.jsonl").torn == 1  # and a label is none


def test_a_place_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no"):
        list(read_rows([tmp_path / "none"]))


def test_runs_are_held_back_whole_and_about_as_many_as_asked() -> None:
    held = [held_back(f"run {n}", share=0.3) for n in range(2000)]
    assert 0.25 < sum(held) / len(held) < 0.35
    assert held == [held_back(f"run {n}", share=0.3) for n in range(2000)]
    assert held != [held_back(f"run {n}", share=0.3, seed=1) for n in range(2000)]


def test_figures_of_a_perfect_a_reversed_and_a_constant_score() -> None:
    wrong = [True, False, False, False]
    weak = [1.0 - w for w in wrong]
    assert auroc([4, 3, 2, 1], wrong) == 1.0
    assert auroc([1, 2, 3, 4], wrong) == 0.0
    assert auroc([1, 1, 1, 1], wrong) == 0.5
    assert apgr([4, 3, 2, 1], weak) == pytest.approx(0.875)
    assert apgr([1, 2, 3, 4], weak) == pytest.approx(0.125)
    assert apgr([0, 0, 0, 0], weak) == pytest.approx(0.5)
    assert apgr([0, 0, 0, 0], [1.0] * 4) is None
    assert recovered([4, 3, 2, 1], weak, 0.125) == pytest.approx(0.5)
    assert recovered([0, 0, 0, 0], weak, 0.25) == pytest.approx(0.25)


def test_an_interval_holds_the_figure_and_narrows_with_more_rows() -> None:
    def around(n: int) -> tuple[float, float]:
        weak = [float(i % 4 != 0) for i in range(n)]
        scores = [(i * 7919 % n) / n + (0.4 if i % 4 == 0 else 0.0) for i in range(n)]
        found = interval(
            n, lambda at: apgr([scores[i] for i in at], [weak[i] for i in at]), draws=200
        )
        whole = apgr(scores, weak)
        assert found is not None
        assert whole is not None
        assert found[0] < whole < found[1]
        return found

    few, many = around(40), around(400)
    assert many[1] - many[0] < few[1] - few[0]


def test_measuring_nothing_is_refused() -> None:
    with pytest.raises(ConfigError):
        measure([], [])
