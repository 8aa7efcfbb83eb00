"""Learning from use: verdicts of past runs, read back, split by run, measured before and after."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentlanes.errors import ConfigError
from agentlanes.router.labels import Labelled
from agentlanes.router.value import apgr, auroc, brier, log_loss

__all__ = ["Figures", "held_back", "measure", "read_rows"]

_LABELS_KEY = "agentlanes_labels"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How well scores told which proposals the reasoner changed for the better.

    Attributes:
        rows: Labels.
        changed: How many of them the reasoner changed and was right.
        auroc: `None` where all are of one kind; so are the others where they do not apply.
        apgr: See `agentlanes.router.value`.
        log_loss: In nats.
        brier: Mean squared error.
    """

    rows: int
    changed: int
    auroc: float | None
    apgr: float | None
    log_loss: float
    brier: float


def read_rows(places: Iterable[Path]) -> Iterator[Mapping[str, Any]]:
    """Read label rows out of run files, folders of them, and LangSmith exports.

    A run file holds `{"type": "label", ...}` lines. A LangSmith export is a JSON list of runs, an
    object with such a list under `runs`, or JSON lines, a run a line; its rows are in the metadata
    of the `settle` runs. Other lines, and a last one that a crash cut short, are passed over.

    Raises:
        ConfigError: A place is not there, or cannot be read.
    """
    for place in places:
        if not place.exists():
            raise ConfigError(f"there is no {place}; give run files, folders of them, or exports")
        files = sorted(place.glob("*.json*")) if place.is_dir() else [place]
        for file in files:
            try:
                text = file.read_text(encoding="utf-8", errors="replace")
            except OSError as error:
                raise ConfigError(f"{file} cannot be read: {error}") from error
            for one in _objects(text):
                yield from _rows_of(one)


def held_back(run: str, *, share: float = 0.3, seed: int = 0) -> bool:
    """Say whether a run is held back for evaluation. Depends on its id and the seed alone."""
    digest = hashlib.sha256(f"{seed}:{run}".encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def measure(rows: Sequence[Labelled], scores: Sequence[float]) -> Figures:
    """Compare scores with what the labels say.

    Raises:
        ConfigError: There are no rows.
    """
    if not rows:
        raise ConfigError("no labels to measure on")
    changed = [bool(row.target) for row in rows]
    return Figures(
        rows=len(rows),
        changed=sum(changed),
        auroc=auroc(scores, changed),
        apgr=apgr(scores, [1.0 - c for c in changed]),
        log_loss=log_loss(scores, changed),
        brier=brier(scores, changed),
    )


def _objects(text: str) -> Iterator[Any]:
    try:
        whole = json.loads(text)
    except ValueError:
        for line in text.splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue
        return
    if isinstance(whole, dict) and isinstance(whole.get("runs"), list):
        whole = whole["runs"]
    yield from whole if isinstance(whole, list) else [whole]


def _rows_of(one: Any) -> Iterator[Mapping[str, Any]]:
    if not isinstance(one, dict):
        return
    if one.get("type") == "label":
        yield {key: value for key, value in one.items() if key != "type"}
        return
    extra = one.get("extra")
    for holder in (extra if isinstance(extra, dict) else {}, one):
        metadata = holder.get("metadata")
        rows = metadata.get(_LABELS_KEY) if isinstance(metadata, dict) else None
        if isinstance(rows, list):
            yield from (row for row in rows if isinstance(row, dict))
            return
