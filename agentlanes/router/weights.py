"""The gate's weights: plain numbers by feature name, in a JSON file that is safe to load."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from agentlanes.errors import ConfigError

__all__ = ["CALL_ODDS", "SHIPPED", "UNSURE", "UNSURE_KINDS", "Weights", "load_weights"]

SHIPPED = Path(__file__).with_name("weights.json")
"""The weights that come with the package."""

UNSURE_KINDS = ("agent", "call")
"""Kinds of request whose words do not tell what they need: the gate abstains.

Several calls of tools, or one. What tells a right call from a wrong one shows in its draft.
"""

UNSURE = 0.1
"""The probability of a request of these kinds, one and the same, so that nothing orders them.
About what is known of them: of labelled ones few need the reason lane. The gate abstains on them
whatever its band is."""

CALL_ODDS = 2.0
"""Log-odds that tools on offer add to the kinds above: the same words then more likely ask for a
call than for an answer. A tool about to be called, with parameters to fill, leaves no doubt."""

_FORMAT = 1

Vector = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What training leaves behind: for every kind of request, how to know it and what is hard.

    Attributes:
        kinds: Names of the kinds; the order of every vector.
        kind_bias: Log-odds of each kind, for a text without any feature.
        kind_text: By text feature, its log-odds for each kind.
        bias: Per kind, the log-odds that a text without any feature needs reasoning.
        text: By text feature, its log-odds per kind that the step needs reasoning.
        step: Log-odds for each unit of a step feature.
        low: Below this probability the gate is sure of the act lane, 0 to 1.
        high: From this probability it is sure of the reason lane. In between it abstains.
        seed: The seed they were trained with.
    """

    kinds: tuple[str, ...]
    kind_bias: Vector
    kind_text: Mapping[str, Vector]
    bias: Vector
    text: Mapping[str, Vector]
    step: Mapping[str, float] = field(default_factory=dict)
    low: float = 0.35
    high: float = 0.65
    seed: int = 0

    def __post_init__(self) -> None:
        vectors = [self.kind_bias, self.bias, *self.kind_text.values(), *self.text.values()]
        if not self.kinds or any(len(vector) != len(self.kinds) for vector in vectors):
            raise ValueError("every vector has one number for each kind")
        numbers = [x for vector in vectors for x in vector] + list(self.step.values())
        if not all(math.isfinite(x) for x in numbers):
            raise ValueError("a weight is not a finite number")
        if set(self.kind_text) != set(self.text):
            raise ValueError("both tables name the same features")
        if not 0.0 <= self.low <= self.high <= 1.0:
            raise ValueError("0 <= low <= high <= 1 does not hold")

    def to_json(self) -> str:
        """Write them down: sorted, six decimals, a feature a line, the same bytes every time."""
        lines = [
            f'"format": {_FORMAT}',
            f'"seed": {self.seed}',
            f'"low": {_number(self.low)}',
            f'"high": {_number(self.high)}',
            f'"kinds": {json.dumps(list(self.kinds))}',
            f'"kind_bias": {_vector(self.kind_bias)}',
            f'"bias": {_vector(self.bias)}',
            f'"step": {_table({name: _number(x) for name, x in self.step.items()})}',
            f'"kind_text": {_table({name: _vector(v) for name, v in self.kind_text.items()})}',
            f'"text": {_table({name: _vector(v) for name, v in self.text.items()})}',
        ]
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def from_json(cls, written: str) -> Weights:
        """Read what `to_json` wrote.

        Raises:
            ConfigError: It is not a weights file, or one of another format.

        Example:
            >>> w = Weights(kinds=("any",), kind_bias=(0.0,), kind_text={"words": (0.0,)},
            ...             bias=(-2.0,), text={"words": (0.5,)})
            >>> Weights.from_json(w.to_json()) == w
            True
        """
        try:
            body = json.loads(written)
            if body["format"] != _FORMAT:
                raise ValueError(f"format {body['format']!r}")
            return cls(
                kinds=tuple(str(kind) for kind in body["kinds"]),
                kind_bias=_floats(body["kind_bias"]),
                kind_text=MappingProxyType({k: _floats(v) for k, v in body["kind_text"].items()}),
                bias=_floats(body["bias"]),
                text=MappingProxyType({k: _floats(v) for k, v in body["text"].items()}),
                step=MappingProxyType({k: float(v) for k, v in body["step"].items()}),
                low=float(body["low"]),
                high=float(body["high"]),
                seed=int(body["seed"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"these are not router weights ({error}); make some with `agentlanes router train`"
            ) from error


def load_weights(path: Path | None = None) -> Weights:
    """Load weights from a file; those of the package by default.

    Raises:
        ConfigError: The file cannot be read or is not a weights file.
    """
    where = SHIPPED if path is None else path
    try:
        return Weights.from_json(where.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the router's weights {where} cannot be read: {error}") from error


def _number(x: float) -> str:
    return json.dumps(round(x, 6) + 0.0)  # adding 0.0 makes a -0.0 a 0.0


def _vector(vector: Sequence[float]) -> str:
    return "[" + ", ".join(_number(x) for x in vector) + "]"


def _table(entries: Mapping[str, str]) -> str:
    lines = [f" {json.dumps(name)}: {entries[name]}" for name in sorted(entries)]
    return "{\n" + ",\n".join(lines) + "\n}" if lines else "{}"


def _floats(numbers: Any) -> Vector:
    return tuple(float(x) for x in numbers)
