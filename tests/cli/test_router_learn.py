"""`agentlanes router learn`: from run files to new weights, measured on runs held back."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentlanes.cli.main import main
from agentlanes.latency.jsonl import RunLog
from agentlanes.router.draft import load_check_weights
from agentlanes.router.labels import LABEL_EVENT, LabelRow, label_row
from agentlanes.router.router import StepFeatures
from agentlanes.router.weights import load_weights

pytest.importorskip("numpy", reason="agentlanes[train] is not installed")

HARD = "Plan the cheapest trip that visits every depot exactly once and satisfies the constraints"
EASY = "show me my balance please"


def rows(run: str, number: int) -> list[LabelRow]:
    """Make a run's rows: hard words and values nobody said are what the reasoner changes."""
    made = []
    for place in range(4):
        hard = (number + place) % 3 == 0
        slip = (number * 7 + place) % 11 == 0
        for window, verdict in (
            ((0, "reject"), (1, "approve")) if hard != slip else ((0, "approve"),)
        ):
            made.append(
                label_row(
                    run=run,
                    window=2 * place + window,
                    index=0,
                    text=HARD if hard else EASY,
                    step=StepFeatures(n_tools=3),
                    subject={"kind": "call", "tool": "f", "args": {"n": place, "w": window}},
                    effect="read",
                    draft={
                        "schema": 0.0,
                        "made up": float(verdict == "reject"),
                        "placeholders": 0.0,
                    },
                    p_wrong=0.2,
                    p_reason=0.5,
                    verdict=verdict,
                    by="reason",
                    fate="committed" if verdict == "approve" else "discarded",
                    failed=False,
                )
            )
    return made


def write(folder: Path, runs: int) -> Path:
    for number in range(runs):
        with RunLog(folder, f"run-{number}") as log:
            for row in rows(f"uid-{number}", number):
                log.event({"type": LABEL_EVENT, "row": row})
            log.result()
    return folder


def test_it_learns_and_says_what_it_gained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "runs", 30)
    gate, check = tmp_path / "gate.json", tmp_path / "check.json"
    args = ["router", "learn", str(folder), "--out", str(gate), "--check-out", str(check)]
    assert main(args) == 0
    said = capsys.readouterr().out
    assert "labels of 30 runs" in said
    figures = {
        line.split("│")[1].strip(): [cell.strip() for cell in line.split("│")[2:-1]]
        for line in said.splitlines()
        if line.startswith("│")
    }
    assert list(figures) == [
        "gate, before",
        "gate, after",
        "draft check, before",
        "draft check, after",
    ]
    for name in ("gate", "draft check"):
        before, after = (float(figures[f"{name}, {when}"][4]) for when in ("before", "after"))
        assert after < before, f"log loss of the {name}"
    assert load_weights(gate) != load_weights()
    assert load_check_weights(check)["draft"] != load_check_weights()["draft"]


def test_the_same_runs_teach_the_same(tmp_path: Path) -> None:
    folder = write(tmp_path / "runs", 20)
    outs = [tmp_path / "a.json", tmp_path / "b.json"]
    for out in outs:
        assert main(["router", "learn", str(folder), "--out", str(out)]) == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_too_little_to_learn_from_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["router", "learn", str(write(tmp_path, 1))]) == 1
    assert "too few" in capsys.readouterr().err
