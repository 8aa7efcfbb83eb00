"""A process that may open few files and makes thousands of calls. Prints what came of them."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections import Counter

from benchmarks.faults.lab import LaneChatModel, Settings, call, lane_at


async def main(url: str, files: int, calls: int) -> None:
    """Load everything with one call, then lower the limit and make the others."""
    model = LaneChatModel.from_lane(lane_at(url), "reason", Settings())
    ended = Counter([await call(model)])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    ended.update(await asyncio.gather(*(call(model, text=str(n)) for n in range(calls - 1))))
    limiter = model._ways[0][0].limiter
    print(json.dumps({"ended": ended, "limit": limiter.limit, "cut": limiter._cut_at > 0}))
    await model.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
