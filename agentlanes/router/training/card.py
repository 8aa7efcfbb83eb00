"""The model card's figures: a table that the training command writes, between two marks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from agentlanes.router.training.pipeline import Trained
from agentlanes.router.training.report import Line

__all__ = ["BEGIN", "END", "figures_text", "write_card"]

BEGIN = "<!-- figures: written by `agentlanes router train --card` -->"
END = "<!-- end of figures -->"


def write_card(card: Path, trained: Trained, lines: Sequence[Line]) -> None:
    """Put a run's figures between the marks of a card, or begin a card with them.

    Raises:
        OSError: The card cannot be read or written.
    """
    block = f"{BEGIN}\n\n{figures_text(trained, lines)}\n{END}"
    text = card.read_text(encoding="utf-8") if card.exists() else "# The router's gate\n\n"
    before, begun, rest = text.partition(BEGIN)
    after = rest.partition(END)[2] if begun else "\n"
    if not begun:
        before = before.rstrip("\n") + "\n\n"
    card.write_text(before + block + after, encoding="utf-8")


def figures_text(trained: Trained, lines: Sequence[Line]) -> str:
    """Write a run's figures as Markdown: what it was fitted to, and the lines left out."""
    weights = trained.weights
    counts = Counter(row.source for row in trained.rows)
    kinds = {row.source: kind for row, kind in zip(trained.rows, trained.kinds, strict=True)}
    written = ["| source | rows | kind |", "|---|---:|---|"]
    written += [f"| {s} | {counts[s]:,} | {kinds[s]} |" for s in sorted(counts)]
    written += [
        "",
        "| left out | rows | figure | gate | length | random |",
        "|---|---:|---|---:|---:|---:|",
    ]
    for line in lines:
        for name in ("auroc", "apgr"):
            values = [getattr(f, name) for f in (line.gate, line.length, line.random)]
            if None not in values:
                shown = " | ".join(f"{value:.3f}" for value in values)
                written.append(f"| {line.name} | {line.gate.rows:,} | {name.upper()} | {shown} |")
    ece = lines[0].gate.ece if lines else None
    if ece is not None:
        written += ["", f"Expected calibration error on the real sources, left out: {ece:.3f}."]
    sure = [
        (chance, row.target)
        for chance, unsure, row in zip(trained.chance, trained.unsure, trained.rows, strict=True)
        if not unsure
        and row.target in (0.0, 1.0)
        and not row.source.startswith("made ")
        and not row.correct
    ]
    for side, inside in (
        (f"below {weights.low:.2f}", [(p, y) for p, y in sure if p < weights.low]),
        (f"from {weights.high:.2f}", [(p, y) for p, y in sure if p >= weights.high]),
    ):
        wrong = sum((p >= 0.5) != (y == 1.0) for p, y in inside)
        share = f"{wrong / len(inside):.1%} of them wrong" if inside else "none"
        written.append(
            f"Sure {side}: {len(inside):,} of {len(sure):,} real rows left out, {share}."
        )
    written.append(
        f"Abstains from {weights.low:.2f} to below {weights.high:.2f}, and on requests that read "
        f"like ones for calls. Seed {weights.seed}."
    )
    return "\n".join(written) + "\n"
