"""How long a scripted endpoint takes: fixed, or drawn from a distribution by the request alone."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Protocol

__all__ = ["Latency", "LatencySource", "LogNormal", "request_digest"]

_Z95 = NormalDist().inv_cdf(0.95)
# How a reply is delivered and who asked does not change what the reply is.
_DELIVERY_KEYS = frozenset({"stream", "stream_options"})


def request_digest(body: Mapping[str, Any], seed: int = 0) -> bytes:
    """Hash what a request asks for, regardless of whether it is streamed.

    Args:
        body: The JSON body of the request.
        seed: Gives another, equally fixed, digest for each value.

    Returns:
        32 bytes that depend on nothing but the arguments.
    """
    asked = {key: value for key, value in body.items() if key not in _DELIVERY_KEYS}
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{seed}:{text}".encode()).digest()


class LatencySource(Protocol):
    """Anything that says how long the answer to a request takes."""

    def draw(self, body: Mapping[str, Any]) -> Latency:
        """Give the latency for one request; the same request gets the same one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """The times of one reply, in seconds from the arrival of its request.

    A script's own running time counts towards them: it is not added.

    Attributes:
        first_token_s: When the first token leaves.
        token_s: Between one token and the next. A token is taken to be four characters.
        total_s: When the reply is complete; the tokens after the first are then spread evenly and
            `token_s` is not used. With `first_token_s` left at 0 a stream starts at once.

    Raises:
        ValueError: A time is negative or not finite, or `total_s` is before `first_token_s`.

    Example:
        >>> Latency(first_token_s=0.25, token_s=0.125).end_s(tokens=5)
        0.75
        >>> Latency(first_token_s=1, total_s=3).due_s(2, tokens=3)
        2.0
    """

    first_token_s: float = 0.0
    token_s: float = 0.0
    total_s: float | None = None

    def __post_init__(self) -> None:
        for time_s in (self.first_token_s, self.token_s, self.total_s or 0.0):
            if not (math.isfinite(time_s) and time_s >= 0):
                raise ValueError(f"a latency is a finite number of seconds >= 0, not {time_s!r}")
        if self.total_s is not None and self.total_s < self.first_token_s:
            raise ValueError("total_s is before first_token_s; raise the one or lower the other")

    def draw(self, body: Mapping[str, Any]) -> Latency:
        """Give itself: a fixed latency is the same for every request."""
        return self

    def due_s(self, token: int, tokens: int) -> float:
        """Say when a token leaves.

        Args:
            token: Which one, from 1.
            tokens: How many the reply has.
        """
        done = max(token - 1, 0)
        if self.total_s is None:
            return self.first_token_s + self.token_s * done
        share = min(done / (tokens - 1), 1.0) if tokens > 1 else 0.0
        return self.first_token_s + (self.total_s - self.first_token_s) * share

    def end_s(self, tokens: int) -> float:
        """Say when a reply of so many tokens is complete."""
        return self.due_s(tokens, tokens) if self.total_s is None else self.total_s


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNormal:
    """A lognormal time to first token, drawn from the seed and the request: never from a clock.

    A request that is repeated gets the same time again, in whatever order requests arrive. With
    `token_s=0` the whole reply arrives at the time that was drawn.

    Attributes:
        median_s: Half of the draws are below.
        p95_s: 95 in 100 draws are below.
        token_s: Between one token and the next, not drawn.
        seed: Another seed gives other draws.

    Raises:
        ValueError: Not 0 < `median_s` <= `p95_s`.

    Example:
        >>> profile = LogNormal(median_s=0.2, p95_s=0.6)
        >>> request = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
        >>> profile.draw(request) == profile.draw({**request, "stream": True})
        True
    """

    median_s: float
    p95_s: float
    token_s: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.median_s <= self.p95_s < math.inf:
            raise ValueError("a lognormal profile needs 0 < median_s <= p95_s, both finite")

    def draw(self, body: Mapping[str, Any]) -> Latency:
        """Give the latency for one request."""
        # 52 bits and a half step: strictly between 0 and 1, where the inverse is finite.
        bits = int.from_bytes(request_digest(body, self.seed)[:8], "big") >> 12
        deviate = NormalDist().inv_cdf((bits + 0.5) / 2**52)
        sigma = math.log(self.p95_s / self.median_s) / _Z95
        return Latency(
            first_token_s=self.median_s * math.exp(sigma * deviate), token_s=self.token_s
        )
