"""Verdicts as labels: what a run leaves behind for the router to learn from.

Each settled proposal gives one row: what was asked, what the router and the draft check saw, what
the verdict was, and a digest of the call. Rows hold no arguments, no results and no reasons; the
user's words are redacted and cut. Nothing is decided yet when a row is written: whether a
rejection was right shows only in what was committed in its place, so a reader works it out
(`labelled`):

- approved: the act lane was right, the step needed no reasoning (target 0);
- rejected, and another call was committed in its place, and worked: the reasoner changed it and
  was right (target 1). This is a better label than "the act lane was wrong": it is what
  reasoning was good for;
- rejected, and the same call was committed all the same, or what took its place failed: the
  reasoner was not right (target 0);
- rejected, and nothing came of it: no label.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypedDict, get_type_hints

from agentlanes.plan import canonical
from agentlanes.redact import redact
from agentlanes.router.router import StepFeatures

__all__ = ["LABEL_EVENT", "LABEL_VERSION", "LabelRow", "Labelled", "label_row", "labelled"]

LABEL_EVENT = "agentlanes.label"
"""Type of the events on the custom stream; their `row` is a `LabelRow`."""

LABEL_VERSION = 1

_MAX_CHARS = 4_000
_COUNTS = frozenset({"committed", "fenced", "skipped"})


class LabelRow(TypedDict):
    """One settled proposal.

    Attributes:
        version: `LABEL_VERSION`.
        run: The run's uid.
        window: The window, from 0.
        index: The proposal in it, from 0.
        text: The user's words, redacted, the middle cut out of long ones.
        step: `StepFeatures` as the router saw them.
        kind: `call`, `plan` or `finish`.
        tool: Name of the tool; empty for a plan or to finish.
        effect: The tool's effect class.
        digest: Hash of what was proposed, salted by the run: equal only within it.
        draft: The draft check's features; empty for a plan or to finish.
        p_wrong: What it made of them.
        p_reason: What the router made of the step.
        verdict: `approve` or `reject`.
        by: Who gave it: `reason`, `plan`, `code`, `skip`, `person`.
        fate: What became of the proposal, as in step records.
        failed: Whether the tool raised; a fenced call runs later, and is not known here.
    """

    version: int
    run: str
    window: int
    index: int
    text: str
    step: dict[str, Any]
    kind: str
    tool: str
    effect: str
    digest: str
    draft: dict[str, float]
    p_wrong: float | None
    p_reason: float
    verdict: str
    by: str
    fate: str
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A row with what it teaches.

    Attributes:
        run: The run it is from; rows are split by it, never within it.
        text: The user's words.
        step: What was known of the step.
        draft: The draft check's features.
        target: 1 where reasoning changed the outcome for the better, else 0.
        p_reason: What the router said then.
    """

    run: str
    text: str
    step: StepFeatures
    target: int
    p_reason: float
    draft: Mapping[str, float] = field(default_factory=dict)


def label_row(
    *,
    run: str,
    window: int,
    index: int,
    text: str,
    step: StepFeatures,
    subject: Mapping[str, Any],
    effect: str,
    draft: Mapping[str, float],
    p_wrong: float | None,
    p_reason: float,
    verdict: str,
    by: str,
    fate: str,
    failed: bool,
) -> LabelRow:
    """Make a row, with the words redacted and the proposal reduced to a digest.

    Args:
        run: As in `LabelRow`; so are the others.
        window: The window.
        index: The proposal.
        text: The user's words as they are.
        step: What was known of the step.
        subject: The proposal, as the lanes see it.
        effect: The tool's effect class.
        draft: The draft check's features.
        p_wrong: The draft check's score.
        p_reason: The router's score.
        verdict: The verdict's status.
        by: Who gave it.
        fate: What became of it.
        failed: Whether the tool raised.
    """
    said = f"{run}\n{canonical(dict(subject))}"
    return LabelRow(
        version=LABEL_VERSION,
        run=run,
        window=window,
        index=index,
        text=_shown(text),
        step=asdict(step),
        kind=str(subject["kind"]),
        tool=str(subject.get("tool", "")),
        effect=effect,
        digest=hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        draft={name: round(value, 4) for name, value in draft.items()},
        p_wrong=None if p_wrong is None else round(p_wrong, 4),
        p_reason=round(p_reason, 6),
        verdict=verdict,
        by=by,
        fate=fate,
        failed=failed,
    )


def labelled(rows: Iterable[Mapping[str, Any]]) -> list[Labelled]:
    """Work out what rows teach.

    Args:
        rows: Rows as they were written, runs in any order, each run's rows in its own. What is no
            row of this version is passed over.
    """
    runs: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row.get("version") == LABEL_VERSION and row.keys() >= LabelRow.__required_keys__:
            runs.setdefault(str(row["run"]), []).append(row)
    found = []
    for mine in runs.values():
        mine.sort(key=lambda row: (row["window"], row["index"]))
        for place, row in enumerate(mine):
            target = _target(row, mine[place + 1 :])
            if target is not None:
                found.append(_labelled(row, target))
    return found


def _target(row: Mapping[str, Any], later: Sequence[Mapping[str, Any]]) -> int | None:
    if row["by"] != "reason":
        return None
    if row["verdict"] == "approve":
        # An approval behind a rejection was given for work that was thrown away.
        return 0 if row["fate"] in _COUNTS else None
    if row["verdict"] != "reject":
        return None
    instead = next((other for other in later if other["fate"] in _COUNTS), None)
    if instead is None:
        return None
    return int(instead["digest"] != row["digest"] and not instead["failed"])


def _labelled(row: Mapping[str, Any], target: int) -> Labelled:
    known = get_type_hints(StepFeatures)
    step = StepFeatures(**{name: v for name, v in row["step"].items() if name in known})
    return Labelled(
        run=str(row["run"]),
        text=str(row["text"]),
        step=step,
        target=target,
        p_reason=float(row["p_reason"]),
        draft=row["draft"],
    )


def _shown(text: str) -> str:
    """Redact before cutting: a credential cut in two would not be recognised."""
    safe = redact(text)
    if len(safe) <= _MAX_CHARS:
        return safe
    half = _MAX_CHARS // 2
    return f"{safe[:half]}\n...\n{safe[-half:]}"
