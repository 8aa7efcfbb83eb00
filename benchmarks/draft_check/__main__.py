"""`python -m benchmarks.draft_check collect|show|fit ROWS`: see `make bench-draft`."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from agentlanes.router.draft import EVIDENCE, SHIPPED_CHECK
from agentlanes.router.draft_fit import check_to_json
from benchmarks.draft_check.collect import collect
from benchmarks.draft_check.evaluate import baselines, compare, cross_fitted, fit_all, knob
from benchmarks.draft_check.rows import Drafted, load_rows
from benchmarks.draft_check.steps import load_steps

__all__ = ["main"]

_NAMES = {
    "draft": "check: draft only",
    "draft+logprobs": "check: with log-probabilities",
    "draft+second": "check: with a second model",
    "draft+logprobs+second": "check: with both",
}

_KNOBS = ("draft", "draft+logprobs", "draft+second")


def main(argv: list[str] | None = None) -> int:
    """Ask the local models, show what the check is worth, or fit the shipped weights."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.draft_check")
    parser.add_argument("what", choices=("collect", "show", "fit"))
    parser.add_argument("rows", type=Path, help="the calls' file, kept outside the repository")
    parser.add_argument("--minutes", type=float, default=60.0, help="to collect for")
    parser.add_argument("--limit", type=int, default=None, help="steps to collect")
    parser.add_argument("--json", type=Path, default=None, help="where to write the figures")
    args = parser.parse_args(argv)
    if args.what == "collect":
        collect(load_steps()[: args.limit], args.rows, minutes=args.minutes)
        return 0
    rows = load_rows(args.rows)
    if args.what == "fit":
        SHIPPED_CHECK.write_text(check_to_json(fit_all(rows), _about(rows)), encoding="utf-8")
        sys.stdout.write(f"{SHIPPED_CHECK.name}: fitted on {len(rows)} steps\n")
        return 0
    _show(rows, args.json)
    return 0


def _about(rows: Sequence[Drafted]) -> dict[str, Any]:
    return {
        "steps": len(rows),
        "wrong": sum(not row.right for row in rows),
        "data": "BFCL v4 simple_python, multiple, live_simple (Apache-2.0)",
        "act": "Qwen2.5-Coder-0.5B-Instruct Q4_K_M",
        "second": "Qwen2.5-Coder-1.5B-Instruct Q4_K_M",
    }


def _show(rows: Sequence[Drafted], out: Path | None) -> None:
    console = Console(width=110, highlight=False)
    half = [row for row in rows if not row.held_out]
    rest = [row for row in rows if row.held_out]
    console.print(
        f"{len(rows)} steps ({_counts(rows)}); right: act lane's model "
        f"{_share([row.right for row in rows])}, second model "
        f"{_share([row.second_right for row in rows])}"
    )
    fitted = fit_all(half)
    crossed = cross_fitted(rows)
    knobs = {_NAMES[evidence]: knob(rows, crossed[evidence]) for evidence in _KNOBS}
    probabilities = {_NAMES[k]: [score.p_wrong for score in v] for k, v in crossed.items()}
    lines = {
        f"weights fitted on {len(half)} steps, {len(rest)} others": compare(
            rest, {**_fitted_scores(rest, fitted), **baselines(rest)}
        ),
        f"all {len(rows)} steps, each by weights fitted on other functions": compare(
            rows, {**probabilities, **baselines(rows)}
        ),
    }
    for title, found in lines.items():
        console.print(_table(title, found))
    for name, table in knobs.items():
        console.print(_knob_table(f"quality, {name}, all {len(rows)} steps", table))
    if out is not None:
        body = {
            "tables": {
                title: [
                    {
                        "name": line.name,
                        "n": line.n,
                        "apgr": line.apgr,
                        "apgr_ci": line.apgr_ci,
                        "apgr_second": line.apgr_second,
                        "auroc": line.auroc,
                    }
                    for line in found
                ]
                for title, found in lines.items()
            },
            "quality": knobs,
        }
        out.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def _fitted_scores(rows: Sequence[Drafted], fitted: Any) -> dict[str, list[float]]:
    from agentlanes.router.draft import DraftCheck

    check = DraftCheck(fitted)
    return {_NAMES[e]: [row.score(check, e).p_wrong for row in rows] for e in EVIDENCE}


def _table(title: str, found: Sequence[Any]) -> Table:
    table = Table(title=title, min_width=90)
    table.add_column("chosen by")
    for column in ("n", "APGR", "95%", "APGR, second model", "AUROC"):
        table.add_column(column, justify="right")
    for line in found:
        low, high = line.apgr_ci or (None, None)
        around = "" if low is None else f"{low:.2f} to {high:.2f}"
        figures = (_figure(line.apgr), around, _figure(line.apgr_second), _figure(line.auroc))
        table.add_row(line.name, str(line.n), *figures)
    return table


def _knob_table(title: str, rows: Sequence[tuple[float, float, float, float]]) -> Table:
    table = Table(title=title, min_width=60)
    for column in ("quality", "verified", "wrong drafts caught", "right at the end"):
        table.add_column(column, justify="right")
    for quality, share, caught, right in rows:
        table.add_row(f"{quality:.1f}", f"{share:.0%}", f"{caught:.0%}", f"{right:.0%}")
    return table


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _counts(rows: Sequence[Drafted]) -> str:
    counts = Counter(row.step.category for row in rows)
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items()))


def _share(right: Sequence[bool]) -> str:
    return f"{sum(right) / len(right):.1%}"


if __name__ == "__main__":
    sys.exit(main())
