"""What each client does when the endpoint fails: requests made, and what the caller gets."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import openai

from benchmarks.client.callers import Caller

__all__ = ["Outcome", "make_fail"]

_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one call came to.

    Attributes:
        requests: Requests that arrived at the endpoint.
        gave: The exception's type, or the reply: `a whole reply`, or how much of it.
        took_s: How long it took.
    """

    requests: int
    gave: str
    took_s: float


async def make_fail(caller: Caller, base_url: str, fault: str, number: int, whole: str) -> Outcome:
    """Make one call that fails, and look what became of it.

    Args:
        caller: The client.
        base_url: The endpoint.
        fault: Its name in `server.FAULTS`.
        number: Keeps this call's requests apart from others.
        whole: The text of a whole reply.
    """
    model = f"fault/{fault}/{number}"
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            said = await caller.call(model)
        gave = "a whole reply" if said == whole else f"{len(said)} of {len(whole)} characters"
    except Exception as error:
        gave = type(error).__name__
    took_s = time.perf_counter() - begun
    async with openai.AsyncOpenAI(base_url=base_url, api_key="any") as client:
        counted = await client.chat.completions.create(
            model=f"count/{model}", messages=[{"role": "user", "content": "?"}]
        )
    return Outcome(
        requests=int(counted.choices[0].message.content or 0), gave=gave, took_s=round(took_s, 2)
    )
