"""`agentlanes router learn RUNS...`: retrain the router on the verdicts of past runs.

Runs are split by their id: the router learns from some, and what it knew before and knows after is
measured on the others, which it never sees.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from agentlanes.errors import ConfigError
from agentlanes.router.draft import EVIDENCE, DraftCheck, load_check_weights
from agentlanes.router.draft_fit import check_to_json, fit_check
from agentlanes.router.gate import Gate
from agentlanes.router.labels import Labelled, labelled
from agentlanes.router.learning import Figures, held_back, measure, read_rows
from agentlanes.router.training import Row, fit
from agentlanes.router.weights import Weights, load_weights

__all__ = ["add_arguments", "main"]

_ALONE = EVIDENCE[0]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUNS", help="run files, folders of them, or exports"
    )
    parser.add_argument("--out", type=Path, help="where to write the gate's new weights")
    parser.add_argument("--check-out", type=Path, help="where to write the draft check's")
    parser.add_argument("--weights", type=Path, help="the gate's weights to start from")
    parser.add_argument("--held-back", type=float, default=0.3, help="share of runs; 0.3")
    parser.add_argument("--seed", type=int, default=0, help="of the split and the fit")


def main(args: argparse.Namespace) -> int:
    """Learn, and show before and after.

    Raises:
        ConfigError: There is too little to learn from, or to measure on.
    """
    if not 0.0 < args.held_back < 1.0:
        raise ConfigError(f"--held-back is a share between 0 and 1, not {args.held_back}")
    rows = labelled(read_rows(args.runs))
    kept = [held_back(row.run, share=args.held_back, seed=args.seed) for row in rows]
    test = [row for row, out in zip(rows, kept, strict=True) if out]
    train = [row for row, out in zip(rows, kept, strict=True) if not out]
    _enough(train, "learn from")
    _enough(test, "measure on")
    before = load_weights(args.weights)
    after = fit([_row(row) for row in train], seed=args.seed, prior=before)
    found = [("gate", _gate(test, before), _gate(test, after))]
    drafts = [row for row in train if row.draft]
    seen = [row for row in test if row.draft]
    if seen and len({row.target for row in drafts}) == 2:
        shipped = load_check_weights()
        fitted = fit_check(
            [row.draft for row in drafts],
            [bool(row.target) for row in drafts],
            groups=[row.run for row in drafts],
            prior=shipped[_ALONE],
            seed=args.seed,
        )
        new = {**shipped, _ALONE: fitted}
        found.append(
            ("draft check", _check(seen, DraftCheck(shipped)), _check(seen, DraftCheck(new)))
        )
        if args.check_out is not None:
            about = {"labels": len(drafts), "runs": len({row.run for row in drafts})}
            args.check_out.write_text(check_to_json(new, about), encoding="utf-8")
    elif args.check_out is not None:
        raise ConfigError("no labels with drafts of both kinds, so the draft check learns nothing")
    if args.out is not None:
        args.out.write_text(after.to_json(), encoding="utf-8")
    _show(rows, train, test, found)
    return 0


def _enough(rows: Sequence[Labelled], what: str) -> None:
    kinds = [sum(row.target == kind for row in rows) for kind in (0, 1)]
    if not all(kinds):
        raise ConfigError(
            f"{kinds[1]} labels where the reasoner changed the proposal and was right, and "
            f"{kinds[0]} others, are too few to {what}: both kinds are needed. Give more runs; "
            "`agentlanes run` keeps labels unless AGENTLANES_LABELS=0"
        )


def _row(label: Labelled) -> Row:
    return Row(text=label.text, target=float(label.target), source="use", step=label.step)


def _gate(rows: Sequence[Labelled], weights: Weights) -> Figures:
    gate = Gate(weights)
    return measure(rows, [gate.read(row.text, row.step).p_reason for row in rows])


def _check(rows: Sequence[Labelled], check: DraftCheck) -> Figures:
    return measure(rows, [check.weigh(row.draft, _ALONE).p_wrong for row in rows])


def _show(
    rows: Sequence[Labelled],
    train: Sequence[Labelled],
    test: Sequence[Labelled],
    found: Sequence[tuple[str, Figures, Figures]],
) -> None:
    console = Console(highlight=False)
    runs = len({row.run for row in rows})
    changed = sum(row.target for row in rows)
    console.print(
        f"{len(rows)} labels of {runs} runs ({changed} where the reasoner changed the proposal "
        f"and was right): {len(train)} to learn from, {len(test)} of other runs to measure on"
    )
    table = Table()
    for column in ("", "labels", "changed", "AUROC", "APGR", "log loss", "Brier"):
        table.add_column(column, justify="left" if not column else "right")
    for name, before, after in found:
        for when, figures in (("before", before), ("after", after)):
            table.add_row(
                f"{name}, {when}",
                str(figures.rows),
                str(figures.changed),
                *(
                    "-" if value is None else f"{value:.3f}"
                    for value in (figures.auroc, figures.apgr, figures.log_loss, figures.brier)
                ),
            )
    console.print(table)
