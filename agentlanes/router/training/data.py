"""Read training data: JSON lines with `text` and a `label`, or with a `correct` map of outcomes.

Fields that tell how a row came about (`rule`, `source`, `id`, `level`, `type`, `intent`,
`category`, `n_calls`, `plan_len`) are never features. `source` says which rows are left out
together, and which kind of request a known source holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from agentlanes.errors import ConfigError
from agentlanes.router.features import option_marks
from agentlanes.router.router import StepFeatures
from agentlanes.router.training.rows import Row

__all__ = ["KIND_OF_SOURCE", "read_lines", "read_rows", "step_of"]

KIND_OF_SOURCE: Mapping[str, str] = MappingProxyType(
    {
        "clinc150": "call",
        "restaurant8k": "call",
        "bfcl_simple_python": "call",
        "bfcl_live_simple": "call",
        "bfcl_multi_turn_base": "agent",
        "mawps_singleop": "sums",
        "math": "maths",
        "minif2f_valid": "maths",
        "planbench_blocksworld": "planning",
        "planbench_blocksworld_zs": "planning",
        "planbench_mystery": "planning",
        "mmlu_pro": "exam",
    }
)
"""What kind of request a public source holds. Rows of other sources may say so in `kind`."""

_STEP = frozenset(field.name for field in fields(StepFeatures))


def read_lines(place: Path) -> Iterator[dict[str, Any]]:
    """Give the rows of a JSON-lines file.

    Raises:
        ConfigError: It cannot be read, or a line is not a JSON object with a `text`.
    """
    try:
        with place.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict) or not isinstance(row.get("text"), str):
                    raise ValueError(f"line {number} has no text")
                yield row
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{place} is not router data: {error}. Give JSON lines with text and label, correct, "
            "or weak and strong."
        ) from error


def read_rows(places: Iterable[Path]) -> list[Row]:
    """Read files, or folders of `*.jsonl`, in order; of equal texts the first counts.

    Raises:
        ConfigError: There is nothing to read.
    """
    rows: list[Row] = []
    seen: set[str] = set()
    for place in places:
        files = sorted(place.glob("*.jsonl")) if place.is_dir() else [place]
        if not files:
            raise ConfigError(f"{place} holds no .jsonl files")
        for file in files:
            lines = list(read_lines(file))
            middle = _middle([line["correct"] for line in lines if _has_outcomes(line)])
            for line in lines:
                if line["text"] not in seen:
                    seen.add(line["text"])
                    rows.append(_row(line, file.stem, middle, len(rows)))
    return rows


def step_of(line: Mapping[str, Any]) -> StepFeatures | None:
    """Give what a row says of its step: fields of `StepFeatures`, plain or under `step`.

    Example:
        >>> step_of({"text": "go on", "n_tools": 3}).n_tools
        3
    """
    inner = line.get("step")
    given = {**line, **inner} if isinstance(inner, dict) else line
    known = {name: given[name] for name in _STEP & given.keys() if given[name] is not None}
    return StepFeatures(**known) if known else None


def _row(line: dict[str, Any], stem: str, middle: frozenset[str], place: int) -> Row:
    source = str(line.get("source") or stem)
    kind = str(line.get("kind") or KIND_OF_SOURCE.get(source, ""))
    text, target = line["text"], line.get("label")
    if target is None and _has_outcomes(line):
        target = _hardness(line["correct"], middle)
        text = _other_form(text, place)
        category = line.get("category")
        source = f"{source}: {category}" if category else source
    return Row(
        text=text,
        target=None if target is None else float(target),
        source=source,
        kind=kind,
        step=step_of(line),
        correct=_known(line["correct"]) if _has_outcomes(line) else {},
    )


def _has_outcomes(line: Mapping[str, Any]) -> bool:
    return isinstance(line.get("correct"), dict)


def _known(correct: Mapping[str, Any]) -> dict[str, float]:
    return {model: float(value) for model, value in correct.items() if value is not None}


def _middle(outcomes: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Name the middle half of the models by accuracy: what they miss, a weak lane would miss.

    The weakest guess and the strongest are all right, so that neither tells easy from hard.
    """
    right: dict[str, list[float]] = {}
    for correct in outcomes:
        for model, value in _known(correct).items():
            right.setdefault(model, []).append(value)
    ranked = sorted(right, key=lambda model: (sum(right[model]) / len(right[model]), model))
    quarter = len(ranked) // 4
    return frozenset(ranked[quarter : len(ranked) - quarter])


def _hardness(correct: Mapping[str, Any], middle: frozenset[str]) -> float | None:
    known = [value for model, value in _known(correct).items() if model in middle]
    return 1 - sum(known) / len(known) if known else None


def _other_form(text: str, place: int) -> str:
    """Show a third of the questions with ten options as they are, one with four, one without."""
    marks = option_marks(text)
    if len(marks) < 3 or place % 3 == 0:
        return text
    keep = 4 if place % 3 == 1 else 0
    return text[: marks[keep]].rstrip() if keep < len(marks) else text
