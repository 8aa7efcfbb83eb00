"""Training rows: a text, what is known of the step, and what the step turned out to need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agentlanes.router.router import StepFeatures

__all__ = ["KINDS", "Row"]

KINDS = (
    "agent",
    "call",
    "chat",
    "code",
    "database",
    "exam",
    "maths",
    "planning",
    "puzzle",
    "sums",
)
"""Kinds of request. `agent`: several steps with tools; `call`: one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One example.

    Attributes:
        text: The request, as the router sees it.
        target: How sure it is that the step needs the reason lane, 0 to 1. From a verdict: 1 when
            the reasoner changed the proposal and was right, else 0. `None` is unknown: such a row
            only teaches what its kind reads like.
        weight: How much the row counts beside others of its source.
        source: What it came from. Never a feature: rows are left out by it in cross-validation,
            and every source counts the same in training.
        kind: What kind of request it is, a name in `KINDS`; empty when nobody said.
        step: What is known of the step besides its text.
        correct: How well each model did, 0 to 1 by its name, where outcomes are known.
    """

    text: str
    target: float | None
    weight: float = 1.0
    source: str = ""
    kind: str = ""
    step: StepFeatures | None = None
    correct: Mapping[str, float] = field(default_factory=dict)
