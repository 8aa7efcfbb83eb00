"""From data to weights: read, add made rows, fit, leave sources out, calibrate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from agentlanes.router.training.data import read_rows
from agentlanes.router.training.fitting import check, fit_table, named
from agentlanes.router.training.rows import Row
from agentlanes.router.training.synthetic import (
    chats,
    code,
    databases,
    puzzles,
    sums,
    wordplay,
)
from agentlanes.router.training.table import tabulate
from agentlanes.router.training.validation import (
    band,
    calibrated,
    chances,
    left_out,
    left_out_odds,
)
from agentlanes.router.weights import Weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MADE", "Trained", "made_rows", "train"]

MADE: tuple[tuple[Callable[[int, int], list[Row]], int], ...] = (
    (databases, 1200),
    (sums, 900),
    (puzzles, 1600),
    (wordplay, 600),
    (chats, 1200),
    (code, 400),
)
"""Generators, each with how many rows it makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training run gives.

    Attributes:
        weights: Fitted to all rows, calibrated, with an abstain band.
        rows: What they were fitted to.
        chance: The probability of each row under weights that never saw its source, calibrated
            the same way.
        unsure: Whether that reading abstained because the row asks for calls.
        kinds: The kind of each row, found by the gate where the data did not say.
    """

    weights: Weights
    rows: Sequence[Row]
    chance: NDArray[np.float64]
    unsure: NDArray[np.bool_]
    kinds: Sequence[str]


def made_rows(seed: int) -> list[Row]:
    """Write the made rows of a training run."""
    return [row for make, n in MADE for row in make(n, seed)]


def train(
    places: Iterable[Path],
    *,
    seed: int = 0,
    made: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> Trained:
    """Train on files or folders of JSON lines.

    Args:
        places: The data.
        seed: Draws the made rows.
        made: Add them.
        say: Is told how far it is.

    Raises:
        ConfigError: The data cannot be read, or has rows of one lane only.
        MissingExtra: numpy is not installed.
    """
    rows = read_rows(places)
    say(f"{len(rows)} rows read")
    if made:
        rows += made_rows(seed)
        say(f"{len(rows)} with the made ones")
    check(rows)
    table = named(tabulate(rows))
    weights = fit_table(table, seed=seed)
    fitted = []
    for source, without in left_out(table, weights):
        say(f"left out {source}")
        fitted.append((source, without))
    odds, unsure = left_out_odds(table, fitted)
    weights, odds = calibrated(weights, table, odds, unsure)
    chance = chances(odds)
    sure = [
        i
        for i, row in enumerate(rows)
        if row.target in (0.0, 1.0)
        and not unsure[i]
        and not row.source.startswith("made ")
        and not row.correct
        and not isnan(odds[i])
    ]
    low, high = band(chance[sure], table.target[sure])
    return Trained(
        weights=replace(weights, low=low, high=high),
        rows=rows,
        chance=chance,
        unsure=unsure,
        kinds=[str(kind) for kind in table.kind],
    )
