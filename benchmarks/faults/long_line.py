"""A process that asks an endpoint for 20 MB lines and prints by how many MiB it grew at its most.

Prints two numbers: for the lane, and for the official SDK by itself, which shows that the
measurement would see it.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import openai

from benchmarks.faults.lab import LaneChatModel, Settings, call, lane_at


async def main(url: str) -> None:
    """Ask once for a proper reply, to load everything, and then for the long ones."""
    model = LaneChatModel.from_lane(lane_at(url), "act", Settings())
    whole = lane_at(url, extra_body={"stream": False})
    unstreamed = LaneChatModel.from_lane(whole, "act", Settings())
    await call(model)

    async def lanes() -> None:
        ended = {await call(model), await call(model, "stream"), await call(unstreamed)}
        assert ended == {"MalformedReply"}, ended

    async def sdk() -> None:
        async with openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0) as client:
            stream = await client.chat.completions.create(model="m", messages=[], stream=True)
            with contextlib.suppress(openai.OpenAIError, ValueError, TypeError, AttributeError):
                async for _ in stream:
                    pass

    print(await _grew(lanes), await _grew(sdk))
    await model.aclose()
    await unstreamed.aclose()


async def _grew(work: Callable[[], Awaitable[None]]) -> float:
    before = _peak_mib(reset=True)
    await work()
    return _peak_mib() - before


def _peak_mib(*, reset: bool = False) -> float:
    status = Path("/proc/self/status")
    if status.exists():
        if reset:  # from here on the peak is that of what follows
            Path("/proc/self/clear_refs").write_text("5")
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
