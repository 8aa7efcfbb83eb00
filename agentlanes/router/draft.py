"""The draft check: how likely a drafted call is wrong, from the draft and what was said before it.

A request's words say little about whether an agent's step needs reasoning; the cheap draft says
much. The check looks at the schema, at where each argument comes from, at how sure the model was
of its tokens, and at what a second model would have called, as far as each is known: with more
evidence it weighs the same features anew (`EVIDENCE`). It opens no connection, asks no model and
takes tens of microseconds; a second sample is somebody else's to fetch
(`agentlanes.nodes.second`).

The weights in `draft_weights.json` are fitted on BFCL's single-turn function calls drafted by a
model of half a billion parameters; `benchmarks/draft_check` makes them and says how far they hold
on calls left out (docs/routing.md).
"""

from __future__ import annotations

import bisect
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from agentlanes.errors import ConfigError
from agentlanes.router.draft_features import Draft, Tool, draft_features

__all__ = [
    "EVIDENCE",
    "SHIPPED_CHECK",
    "CheckWeights",
    "Draft",
    "DraftCheck",
    "DraftScore",
    "Tool",
    "evidence_of",
    "load_check_weights",
]

EVIDENCE = ("draft", "draft+logprobs", "draft+second", "draft+logprobs+second")
"""What may be known of a draft. Each has its own weights."""

SHIPPED_CHECK = Path(__file__).with_name("draft_weights.json")
"""The weights that come with the package."""

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckWeights:
    """The log-odds that a draft is wrong, feature by feature, for one kind of evidence.

    Attributes:
        bias: Log-odds of a draft without any feature.
        weights: Log-odds for each unit of a feature, by name.
        quantiles: Scores of the wrong drafts it was fitted on, at evenly spaced shares from 0 to
            1: what a threshold means in wrong drafts caught.
    """

    bias: float
    weights: Mapping[str, float]
    quantiles: tuple[float, ...]

    def threshold(self, share: float) -> float:
        """Give the score that a share of the wrong drafts it was fitted on stay below or at.

        Example:
            >>> CheckWeights(bias=0, weights={}, quantiles=(0.0, 0.5, 1.0)).threshold(0.25)
            0.25
        """
        place = min(1.0, max(0.0, share)) * (len(self.quantiles) - 1)
        low = min(int(place), len(self.quantiles) - 2)
        below, above = self.quantiles[low], self.quantiles[low + 1]
        return below + (above - below) * (place - low)


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftScore:
    """What the check made of a draft.

    Attributes:
        p_wrong: Probability, 0 to 1, that the draft is wrong.
        evidence: Which of `EVIDENCE` it rests on.
        missed: Share of the wrong drafts the check was fitted on that looked no worse, 0 to 1:
            what letting pass all that look like this one, or better, would miss.
        features: The features as they were measured.
        shares: Each feature's share of the log-odds.
    """

    p_wrong: float
    evidence: str
    missed: float
    features: Mapping[str, float] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)

    def passes(self, quality: float) -> bool:
        """Say whether the draft may go unverified.

        Args:
            quality: The share of wrong drafts to catch, going by those the check was fitted on:
                0 lets everything pass, 1 nothing. A draft off its schema never passes.

        Example:
            >>> DraftScore(p_wrong=0.1, evidence="draft", missed=0.2).passes(0.75)
            True
        """
        if quality >= 1.0 or self.features.get("schema", 0.0):
            return False
        return self.missed <= 1.0 - quality

    def explain(self) -> str:
        """Say in one line what weighed most.

        Example:
            >>> shares = {"made up": 1.5}
            >>> DraftScore(p_wrong=0.7, evidence="draft", missed=0.9, shares=shares).explain()
            'p_wrong 0.70 (draft): made up +1.50'
        """
        heaviest = sorted(self.shares.items(), key=lambda item: (-abs(item[1]), item[0]))
        shown = ", ".join(f"{name} {share:+.2f}" for name, share in heaviest[:4] if share)
        return f"p_wrong {self.p_wrong:.2f} ({self.evidence}): {shown or 'nothing stood out'}"


class DraftCheck:
    """Scores drafts. Pure: the same draft and context give the same score.

    Args:
        weights: By evidence, as `load_check_weights` gives them; those of the package by default.

    Example:
        >>> tool = {
        ...     "name": "weather",
        ...     "description": "Weather of a city.",
        ...     "parameters": {
        ...         "type": "object",
        ...         "properties": {"city": {"type": "string"}},
        ...         "required": ["city"],
        ...     },
        ... }
        >>> check, said = DraftCheck(), ["How is the weather in Oslo?"]
        >>> right = check.score(Draft(tool="weather", args={"city": "Oslo"}), [tool], said)
        >>> wrong = check.score(Draft(tool="weather", args={"city": "Paris"}), [tool], said)
        >>> right.p_wrong < wrong.p_wrong
        True
    """

    def __init__(self, weights: Mapping[str, CheckWeights] | None = None) -> None:
        self._weights = load_check_weights() if weights is None else weights

    def score(
        self,
        draft: Draft,
        tools: Sequence[Tool],
        context: Sequence[str],
        *,
        second: Draft | None = None,
    ) -> DraftScore:
        """Score a draft.

        Args:
            draft: The call.
            tools: The tools on offer, as `{"name", "description", "parameters"}`.
            context: What was said before it, oldest first: the user's words, earlier results.
            second: What a second sample, or a second model, would call; a draft with an empty
                tool when that makes no call.
        """
        features = draft_features(draft, tools, context, second)
        return self.weigh(features, evidence_of(draft, second))

    def weigh(self, features: Mapping[str, float], evidence: str) -> DraftScore:
        """Score features that were measured before, as labels hold them.

        Args:
            features: What `draft_features` gave.
            evidence: Which of `EVIDENCE` they rest on.
        """
        fitted = self._weights[evidence]
        shares = {
            name: fitted.weights[name] * value
            for name, value in features.items()
            if name in fitted.weights
        }
        p_wrong = _sigmoid(fitted.bias + math.fsum(shares.values()))
        if features.get("schema"):
            p_wrong = 1.0  # a call that its tool refuses is not right
        return DraftScore(
            p_wrong=p_wrong,
            evidence=evidence,
            missed=_rank(fitted.quantiles, p_wrong),
            features=features,
            shares=shares,
        )


def evidence_of(draft: Draft, second: Draft | None) -> str:
    """Name the evidence there is: one of `EVIDENCE`."""
    return f"draft{'+logprobs' if draft.logprobs else ''}{'+second' if second is not None else ''}"


def load_check_weights(path: Path | None = None) -> Mapping[str, CheckWeights]:
    """Read weights, by evidence; those of the package by default.

    Raises:
        ConfigError: The file cannot be read, or is none of the check's.
    """
    where = SHIPPED_CHECK if path is None else path
    try:
        body: Any = json.loads(where.read_text(encoding="utf-8"))
        if body["format"] != _FORMAT:
            raise ValueError(f"format {body['format']!r}")
        found = {name: _weights(body["evidence"][name]) for name in EVIDENCE}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{where} holds no weights of the draft check ({error}); `make bench-draft` makes some"
        ) from error
    return MappingProxyType(found)


def _weights(given: Mapping[str, Any]) -> CheckWeights:
    quantiles = tuple(float(q) for q in given["quantiles"])
    if len(quantiles) < 2:
        raise ValueError("fewer than two quantiles")
    return CheckWeights(
        bias=float(given["bias"]),
        weights=MappingProxyType({str(k): float(v) for k, v in given["weights"].items()}),
        quantiles=quantiles,
    )


def _rank(quantiles: Sequence[float], score: float) -> float:
    """Give the share of the wrong drafts that scored no higher."""
    above = bisect.bisect_right(quantiles, score)
    if above == 0:
        return 0.0
    if above == len(quantiles):
        return 1.0
    low, high = quantiles[above - 1], quantiles[above]
    return (above - 1 + (score - low) / (high - low)) / (len(quantiles) - 1)


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))
