"""`agentlanes report`: what it reads, writes and exits with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agentlanes.cli.main import main
from tests.latency.made import write_run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AGENTLANES_RUNS", raising=False)
    folder = tmp_path / ".agentlanes" / "runs"
    for number in range(3):
        write_run(folder, f"r{number}", steps=12, seed=number)
    return folder


def levels(tmp_path: Path, target_ms: int) -> str:
    file = tmp_path / "slo.toml"
    file.write_text(f'[[slo]]\nname = "act"\nlane = "act"\ntarget_ms = {target_ms}\n', "utf-8")
    return str(file)


def test_the_runs_folder_is_reported_on_by_default(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("3 runs; half of them within ")
    assert "Service levels" in said


def test_files_and_folders_can_be_named(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(runs / "r1.jsonl"), str(runs)]) == 0
    assert capsys.readouterr().out.startswith("4 runs;")


def test_a_page_and_figures_are_written(runs: Path, tmp_path: Path) -> None:
    page, figures = tmp_path / "page.html", tmp_path / "out.json"
    assert main(["report", "--quiet", "--html", str(page), "--json", str(figures)]) == 0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert len(json.loads(figures.read_text(encoding="utf-8"))["runs"]) == 3


def test_a_broken_budget_is_an_exit_code(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--quiet", "--check", levels(tmp_path, 10_000)]) == 0
    assert main(["report", "--quiet", "--check", levels(tmp_path, 10)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "act is broken" in told.err


def test_without_service_levels_those_of_the_profiles_are_checked(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--quiet", "--check"]) == 1  # no act lane call takes under 100 ms
    assert "api_formatting is broken" in capsys.readouterr().err
    assert main(["report", "--quiet", "--check", str(runs / "r0.jsonl")]) == 1


def test_runs_before_are_compared(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(runs), "--compare", str(runs)]) == 0
    assert "Before (3 runs) and after (3)" in capsys.readouterr().out


def test_prices_make_costs(runs: Path, tmp_path: Path) -> None:
    prices, figures = tmp_path / "prices.toml", tmp_path / "out.json"
    table = "input_usd = 1.0\noutput_usd = 2.0\n"
    prices.write_text(f'["gpt-5-nano"]\n{table}["gpt-5.5"]\n{table}', encoding="utf-8")
    given = ["report", "--quiet", "--prices", str(prices), "--json", str(figures)]
    assert main(given) == 0
    assert json.loads(figures.read_text(encoding="utf-8"))["runs"][0]["spent"]["cost_usd"] > 0
    prices.write_text("x = 3", encoding="utf-8")
    assert main(given) == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["nowhere"], "there is no nowhere"),
        (["."], "folder holds no run files"),
        (["slo.toml"], "is no run file"),
        (["--check", "nowhere.toml"], "No such file"),
    ],
)
def test_what_cannot_be_read_is_said(
    runs: Path, tmp_path: Path, given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    levels(tmp_path, 10)
    assert main(["report", *given]) == 2
    assert said in capsys.readouterr().err
