"""What a router is measured on: rows with a label, or with how well two models did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentlanes.errors import ConfigError
from agentlanes.router.router import StepFeatures
from agentlanes.router.training.data import read_lines, step_of

__all__ = ["Sample", "read_samples"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One row.

    Attributes:
        text: The request.
        source: What it came from.
        label: 1 needs the reason lane, 0 does not; `None` is unlabelled.
        weak: How well the weak model did, 0 to 1.
        strong: How well the strong model did, 0 to 1.
        step: What is known of the step besides its text.
    """

    text: str
    source: str
    label: int | None = None
    weak: float | None = None
    strong: float | None = None
    step: StepFeatures | None = None


def read_samples(file: Path, *, weak: str | None = None, strong: str | None = None) -> list[Sample]:
    """Read a file of JSON lines.

    Args:
        file: Rows with `text` and `label`, `weak` and `strong`, or `correct`.
        weak: A model's name: take the weak scores from the rows' `correct` maps.
        strong: The same for the strong scores.

    Raises:
        ConfigError: It is no such file, a label or score is out of range, or no row knows a model.
    """
    samples: list[Sample] = []
    known: set[str] = set()
    for line in read_lines(file):
        correct = line.get("correct")
        outcomes: Mapping[str, Any] = correct if isinstance(correct, dict) else {}
        known |= outcomes.keys()
        label = line.get("label")
        if label not in (None, 0, 1):
            raise ConfigError(f"{file}: a label is 0, 1 or null, not {label!r}")
        samples.append(
            Sample(
                text=line["text"],
                source=str(line.get("source") or file.stem),
                label=None if label is None else int(label),
                weak=_score(file, outcomes.get(weak) if weak else line.get("weak")),
                strong=_score(file, outcomes.get(strong) if strong else line.get("strong")),
                step=step_of(line),
            )
        )
    for model in (weak, strong):
        if model and known and model not in known:
            raise ConfigError(
                f"{file} has no outcomes of {model!r}; it has: {', '.join(sorted(known))}"
            )
    if not samples:
        raise ConfigError(f"{file} holds no rows")
    return samples


def _score(file: Path, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool | int | float) and 0 <= value <= 1:
        return float(value)
    raise ConfigError(f"{file}: a score is a number from 0 to 1 or null, not {value!r}")
