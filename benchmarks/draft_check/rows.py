"""A collected step, as the check and the comparison see it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentlanes.router.draft import EVIDENCE, Draft, DraftCheck, DraftScore
from benchmarks.draft_check.collect import read
from benchmarks.draft_check.steps import Step, is_right, load_steps

__all__ = ["Drafted", "load_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """One step with what the local models made of it.

    Attributes:
        step: The step.
        draft: The act lane's model's call, with log-probabilities.
        sample: Its second sample.
        second: The larger model's call.
        right: Whether the draft is BFCL's answer.
        second_right: Whether the larger model's call is.
    """

    step: Step
    draft: Draft
    sample: Draft
    second: Draft
    right: bool
    second_right: bool

    @property
    def function(self) -> str:
        """The right function: steps on one function stay together, and it is no feature."""
        return next(iter(self.step.truth))

    @property
    def held_out(self) -> bool:
        """Whether the row is for evaluation only."""
        return hashlib.sha256(self.function.encode()).digest()[0] % 2 == 1

    def score(self, check: DraftCheck, evidence: str, *, own: bool = False) -> DraftScore:
        """Score the draft with one of `EVIDENCE`; `own` takes the second sample as the second."""
        draft = self.draft if "logprobs" in evidence else _without(self.draft)
        second = (self.sample if own else self.second) if "second" in evidence else None
        said = [message["content"] for message in self.step.messages]
        return check.score(draft, self.step.tools, said, second=second)

    def features(self, evidence: str) -> Mapping[str, float]:
        """Give the draft's features with one of `EVIDENCE`."""
        return self.score(DraftCheck(), evidence).features

    def own_features(self) -> Mapping[str, float]:
        """Give the draft's features with the act lane's own second sample as the second."""
        return self.score(DraftCheck(), EVIDENCE[-1], own=True).features


def load_rows(path: Path) -> list[Drafted]:
    """Read the steps that all were asked; one whose request failed is left out."""
    steps = {step.id: step for step in load_steps()}
    calls: dict[str, dict[str, Any]] = {}
    for line in read(path):
        calls.setdefault(line["id"], {})[line["who"]] = line
    found = []
    for name, asked in calls.items():
        if asked.keys() < {"act", "sample", "second"} or any("error" in c for c in asked.values()):
            continue
        step = steps[name]
        draft, sample, second = (_draft(asked[who]) for who in ("act", "sample", "second"))
        found.append(
            Drafted(
                step=step,
                draft=draft,
                sample=sample,
                second=second,
                right=is_right(step, draft.tool, draft.args),
                second_right=is_right(step, second.tool, second.args),
            )
        )
    return found


def _draft(reply: Mapping[str, Any]) -> Draft:
    logprobs: Sequence[Any] = reply.get("logprobs") or ()
    return Draft(
        tool=reply["tool"] or "",
        args=reply["args"],
        logprobs=tuple((str(token), float(p)) for token, p in logprobs),
    )


def _without(draft: Draft) -> Draft:
    return Draft(tool=draft.tool, args=draft.args)
