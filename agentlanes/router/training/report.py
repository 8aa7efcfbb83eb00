"""The table of a training run: each source under weights that never saw it, beside the simplest.

Length alone and a random order stand beside the gate in every line: a gate that does not beat
length has learned nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from agentlanes.router.evaluation.figures import Figures, figures_of
from agentlanes.router.evaluation.samples import Sample
from agentlanes.router.training.pipeline import Trained
from agentlanes.router.training.rows import Row

__all__ = ["Line", "report", "table_text"]

_GAP = 0.1
"""Two models are compared when their accuracy differs by at least this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: the figures of the gate, of length and of a random order on the same rows."""

    name: str
    gate: Figures
    length: Figures
    random: Figures


def report(trained: Trained) -> list[Line]:
    """Work out the lines of a training run.

    Everything over data the weights of that line never saw. Intervals are left out.
    """
    lines = [_line(trained, "real sources", _real), _line(trained, "made sources", _made)]
    sources = sorted({row.source for row in trained.rows})
    for source in sources:
        line = _line(trained, source, _of(source))
        if line.gate.auroc is not None:
            lines.append(line)
    lines += _worth(trained)
    return lines


def table_text(lines: Sequence[Line]) -> str:
    """Write the lines as a table of plain text."""
    head = f"{'left out':44} {'rows':>6} {'figure':>6} {'gate':>7} {'length':>7} {'random':>7}"
    written = [head]
    for line in lines:
        for name in ("auroc", "apgr"):
            values = [getattr(f, name) for f in (line.gate, line.length, line.random)]
            if None not in values:
                numbers = " ".join(f"{value:7.3f}" for value in values)
                written.append(f"{line.name[:44]:44} {line.gate.rows:6} {name:>6} {numbers}")
    ece = lines[0].gate.ece if lines else None
    if ece is not None:
        written.append(f"calibration error on {lines[0].name}: {ece:.3f}")
    return "\n".join(written) + "\n"


def _of(source: str) -> Callable[[Row], bool]:
    return lambda row: row.source == source


def _real(row: Row) -> bool:
    return not row.source.startswith("made ") and not row.correct


def _made(row: Row) -> bool:
    return row.source.startswith("made ")


def _line(trained: Trained, name: str, wanted: Callable[[Row], bool]) -> Line:
    chosen = [i for i, row in enumerate(trained.rows) if row.target in (0.0, 1.0) and wanted(row)]
    samples = [
        Sample(text=trained.rows[i].text, source=name, label=int(trained.rows[i].target or 0.0))
        for i in chosen
    ]
    return _three(name, samples, [float(trained.chance[i]) for i in chosen])


def _three(name: str, samples: Sequence[Sample], chance: Sequence[float]) -> Line:
    drawn = random.Random(0)

    def measured(scores: Sequence[float]) -> Figures:
        return figures_of("left out", name, samples, scores, [], draws=0)

    return Line(
        name=name,
        gate=measured(chance),
        length=measured([float(len(sample.text)) for sample in samples]),
        random=measured([drawn.random() for _ in samples]),
    )


def _worth(trained: Trained) -> Iterator[Line]:
    """Give the routing value on outcomes: for three pairs of models, and over every pair."""
    by_source: dict[str, list[int]] = {}
    for i, row in enumerate(trained.rows):
        if row.correct:
            by_source.setdefault(row.source.partition(":")[0], []).append(i)
    for source, chosen in sorted(by_source.items()):
        rights: dict[str, list[float]] = {}
        for i in chosen:
            for model, value in trained.rows[i].correct.items():
                rights.setdefault(model, []).append(value)
        models = sorted(rights, key=lambda m: (sum(rights[m]) / len(rights[m]), m))
        accuracy = {m: sum(rights[m]) / len(rights[m]) for m in models}
        upper = models[len(models) // 2 :]
        pairs = [(w, s) for w, s in combinations(upper, 2) if accuracy[s] - accuracy[w] >= _GAP]
        samples, chance = [], []
        for weak, strong in pairs:
            for i in chosen:
                correct = trained.rows[i].correct
                if weak in correct and strong in correct:
                    samples.append(
                        Sample(
                            text=trained.rows[i].text,
                            source=source,
                            weak=correct[weak],
                            strong=correct[strong],
                        )
                    )
                    chance.append(float(trained.chance[i]))
        if samples:
            yield _three(f"{source}: {len(pairs)} pairs of the better half", samples, chance)
