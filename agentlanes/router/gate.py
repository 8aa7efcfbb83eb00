"""The gate: how likely a step needs reasoning, from features that cost microseconds.

It asks two things at once: what kind of request a text reads like (a question to a database, a
word problem, a riddle, prose to write, ...), and how hard it is for one of that kind. Each kind
has its own weights, trained towards those that all kinds share; a text between two kinds gets a
mixture. So length can count in an examination question and not in a letter.

Requests that ask for calls of tools all get one probability and abstain: no words tell which call
will be drafted wrong, and a guess would be worse than a random order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, fsum

from agentlanes.router.features import TextReader, step_features
from agentlanes.router.router import StepFeatures
from agentlanes.router.weights import CALL_ODDS, UNSURE_KINDS, Weights, load_weights

__all__ = ["Gate", "Reading", "call_odds"]

_NEGLIGIBLE = 0.005  # a kind less likely than this has no say
_NO_DOUBT = 50.0  # more than words add up to


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the gate made of a step.

    Attributes:
        p_reason: Probability that it needs the reason lane, 0 to 1.
        kind: What kind of request it reads like.
        shares: Each feature's share of the log-odds; what the kind itself says is under `kind ...`.
        abstains: The gate does not know.
    """

    p_reason: float
    kind: str
    shares: Mapping[str, float]
    abstains: bool


class Gate:
    """Reads steps with one set of weights. The weights are loaded when the first text is read.

    Args:
        weights: Those of the package by default.

    Example:
        >>> Gate().read("what's my limit on my amex card").p_reason < 0.3
        True
    """

    __slots__ = ("_reader", "_unsure", "_weights")

    def __init__(self, weights: Weights | None = None) -> None:
        self._reader = TextReader()
        self._weights = weights
        self._unsure = frozenset[int]() if weights is None else _unsure(weights)

    @property
    def weights(self) -> Weights:
        """The weights in use.

        Raises:
            ConfigError: Those of the package cannot be read.
        """
        if self._weights is None:
            self._weights = load_weights()
            self._unsure = _unsure(self._weights)
        return self._weights

    def read(self, text: str, step: StepFeatures | None = None) -> Reading:
        """Read a step. Of a text over 8,000 characters the middle is left out."""
        weights = self.weights
        found = {name: x for name, x in self._reader.read(text).items() if x}
        likely = _kinds(weights, found, self._unsure, call_odds(text, step))
        asks = {k: g for k, g in likely.items() if k in self._unsure}
        calls = fsum(asks.values()) >= 0.5
        if calls:
            likely = {max(asks, key=lambda k: asks[k]): 1.0}
        best = max(likely, key=lambda k: likely[k])
        shares = {
            f"kind {weights.kinds[best]}": fsum(g * weights.bias[k] for k, g in likely.items())
        }
        for name, x in found.items():
            vector = weights.text.get(name)
            if vector is not None:
                shares[name] = x * sum(g * vector[k] for k, g in likely.items())
        if step is not None:
            for name, x in step_features(step).items():
                shares[name] = weights.step.get(name, 0.0) * x
        p = _chance(fsum(shares.values()))
        unsure = calls or weights.low <= p < weights.high
        return Reading(p_reason=p, kind=weights.kinds[best], shares=shares, abstains=unsure)


def call_odds(text: str, step: StepFeatures | None = None) -> float:
    """Give the log-odds that tools on offer add to the kinds that ask for calls.

    They count from the step, or from their schemas where those stand in the text.

    Example:
        >>> call_odds("two and two?"), call_odds("two and two?", StepFeatures(n_tools=3))
        (0.0, 2.0)
    """
    if '"parameters"' in text and '"properties"' in text:
        return _NO_DOUBT
    if step is None:
        return 0.0
    if step.n_required_params > 0:
        return _NO_DOUBT
    return CALL_ODDS if step.n_tools > 0 else 0.0


def _unsure(weights: Weights) -> frozenset[int]:
    return frozenset(k for k, kind in enumerate(weights.kinds) if kind in UNSURE_KINDS)


def _kinds(
    weights: Weights, found: Mapping[str, float], asks: frozenset[int], more: float
) -> dict[int, float]:
    """Give the kinds a text may be of, by number, each with its probability."""
    odds = [bias + (more if k in asks else 0.0) for k, bias in enumerate(weights.kind_bias)]
    for name, x in found.items():
        vector = weights.kind_text.get(name)
        if vector is not None:
            odds = [total + x * weight for total, weight in zip(odds, vector, strict=True)]
    top = max(odds)
    raised = [exp(total - top) for total in odds]
    whole = sum(raised)
    kept = {k: r / whole for k, r in enumerate(raised) if r >= _NEGLIGIBLE * whole}
    share = sum(kept.values())
    return {k: g / share for k, g in kept.items()}


def _chance(odds: float) -> float:
    return 1.0 / (1.0 + exp(-max(-30.0, min(30.0, odds))))
