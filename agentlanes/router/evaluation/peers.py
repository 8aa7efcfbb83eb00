"""Routers to compare with: length alone, a random order, and LiteLLM's complexity routers.

LiteLLM (MIT) runs in a virtual environment of its own, in which it is asked for all texts at
once: `python -m venv DIR && DIR/bin/pip install litellm`. Two of its routers need no model call:
the weighted keyword score (`litellm`), and the tier predictor with the trained table that comes
with it (`litellm-v2`), whose score is the chance that its two cheaper tiers fail.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from agentlanes.errors import ConfigError
from agentlanes.router.evaluation.samples import Sample
from agentlanes.router.router import Router

__all__ = ["PEERS", "Scores", "scorer"]

PEERS = ("length", "random", "litellm", "litellm-v2")
"""Names that `agentlanes router eval --router` knows besides our own."""

Scores = tuple[list[float], list[float]]
"""A score a sample, and the CPU time of each in microseconds where it could be taken."""

_LITELLM = """
import json, sys, time
from types import SimpleNamespace
from litellm.router_strategy.complexity_router.complexity_router import ComplexityRouter
from litellm.router_strategy.complexity_router.tier_predictor import (
    TierSuccessPredictor, resolve_tier_artifact)
from litellm.router_strategy.adaptive_router.classifier import classify_prompt
which, texts = json.load(sys.stdin)
if which == "litellm":
    made = ComplexityRouter("auto", SimpleNamespace(), {}, "any", derive_savings_baseline=False)
    def score(text):
        tier, value, _ = made.classify(text)
        return value + 10 * (tier.value == "REASONING")
else:
    made = TierSuccessPredictor(resolve_tier_artifact("ultrafeedback"))
    def score(text):
        return 1 - made.predict(text, classify_prompt(text)).probabilities[2]
out, took = [], []
for text in texts:
    began = time.thread_time_ns()
    out.append(score(text))
    took.append((time.thread_time_ns() - began) / 1000)
sys.stdout.write("\\n" + json.dumps([out, took]))
"""


def scorer(
    name: str, *, router: Router | None = None, python: Path | None = None
) -> Callable[[Sequence[Sample]], Scores]:
    """Give a function that scores samples.

    Args:
        name: `ours`, or one of `PEERS`.
        router: What `ours` stands for.
        python: The interpreter of the environment that has LiteLLM.

    Raises:
        ConfigError: No such router, or its environment is not given.
    """
    if name == "ours" and router is not None:
        return lambda samples: _timed(router, samples)
    if name == "length":
        return lambda samples: ([_squashed(len(s.text)) for s in samples], [])
    if name == "random":
        chance = random.Random(0)
        return lambda samples: ([chance.random() for _ in samples], [])
    if name in PEERS:
        if python is None:
            raise ConfigError(
                f"the router {name!r} runs in an environment of its own: make one with `python -m "
                "venv DIR && DIR/bin/pip install litellm`, and give --python DIR/bin/python"
            )
        return lambda samples: _litellm(python, name, samples)
    raise ConfigError(f"there is no router {name!r}; there are: ours, {', '.join(PEERS)}")


def _timed(router: Router, samples: Sequence[Sample]) -> Scores:
    if samples:
        router.score(samples[0].text, samples[0].step)  # weights are loaded at the first score
    scores, took = [], []
    for sample in samples:
        began = time.thread_time_ns()
        score = router.score(sample.text, sample.step)
        took.append((time.thread_time_ns() - began) / 1000)
        scores.append(score.p_reason)
    return scores, took


def _squashed(length: int) -> float:
    return length / (length + 200)  # keeps the order, and a probability's range


def _litellm(python: Path, name: str, samples: Sequence[Sample]) -> Scores:
    asked = json.dumps([name, [sample.text for sample in samples]])
    try:
        done = subprocess.run(
            [str(python), "-c", _LITELLM], input=asked, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise ConfigError(f"{python} cannot be run: {error}") from error
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise ConfigError(f"LiteLLM's router failed in {python}: {last[0]}")
    scores, took = json.loads(done.stdout.strip().splitlines()[-1])
    return [float(score) for score in scores], [float(us) for us in took]
