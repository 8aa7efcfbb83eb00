"""The gate's weights: plain numbers by feature name, in a JSON file that is safe to load."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from agentlanes.errors import ConfigError

__all__ = ["SHIPPED", "Weights", "load_weights"]

SHIPPED = Path(__file__).with_name("weights.json")
"""The weights that come with the package."""

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What training leaves behind: the log-odds that a step needs reasoning, feature by feature.

    Attributes:
        bias: Log-odds of a text without any feature.
        text: Log-odds for each unit of a text feature, by name.
        step: Log-odds for each unit of a step feature, by name.
        low: Below this probability the gate is sure of the act lane, 0 to 1.
        high: From this probability it is sure of the reason lane. In between it abstains.
        seed: The seed they were trained with.
    """

    bias: float
    text: Mapping[str, float]
    step: Mapping[str, float]
    low: float
    high: float
    seed: int = 0

    def to_json(self) -> str:
        """Write them down: sorted, six decimals, one weight a line, the same bytes every time."""
        body = {
            "format": _FORMAT,
            "seed": self.seed,
            "low": round(self.low, 6),
            "high": round(self.high, 6),
            "bias": round(self.bias, 6),
            "text": {name: round(self.text[name], 6) for name in sorted(self.text)},
            "step": {name: round(self.step[name], 6) for name in sorted(self.step)},
        }
        return json.dumps(body, indent=1, ensure_ascii=True) + "\n"

    @classmethod
    def from_json(cls, written: str) -> Weights:
        """Read what `to_json` wrote.

        Raises:
            ConfigError: It is not a weights file, or one of another format.

        Example:
            >>> w = Weights(bias=-1.0, text={"words": 0.5}, step={}, low=0.4, high=0.6)
            >>> Weights.from_json(w.to_json()) == w
            True
        """
        try:
            body = json.loads(written)
            if body["format"] != _FORMAT:
                raise ValueError(f"format {body['format']!r}")
            return cls(
                bias=float(body["bias"]),
                text=MappingProxyType({str(k): float(v) for k, v in body["text"].items()}),
                step=MappingProxyType({str(k): float(v) for k, v in body["step"].items()}),
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
    except OSError as error:
        raise ConfigError(f"the router's weights {where} cannot be read: {error}") from error
