"""The scripted lanes behind a real socket, in a process of their own.

A process, because a thread would share the interpreter with the agents it is to measure.
`python -m agentlanes.bench.bfcl_server OPTIONS` serves until its standard input closes, so it
never outlives the bench, however that ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agentlanes.bench.bfcl_oracle import ACT_PREFIX, REASON_PREFIX, Oracle
from agentlanes.errors import EndpointUnreachable
from agentlanes.testing import EndpointServer, Latency, Reply

__all__ = ["scripted_endpoint", "serve_oracle"]

_START_TIMEOUT_S, _STOP_TIMEOUT_S = 60.0, 5.0
_LOG_LENGTH = 64


def serve_oracle(oracle: Oracle, *, act_s: float, reason_s: float) -> EndpointServer:
    """Make the endpoint that answers for both lanes.

    Args:
        oracle: What answers.
        act_s: How long the act lane takes for a reply.
        reason_s: How long the reason lane takes.
    """

    def script(answer: Callable[[Mapping[str, Any]], Reply]) -> Callable[[dict[str, Any]], Reply]:
        def reply(body: dict[str, Any]) -> Reply:
            del server.requests[:-_LOG_LENGTH]  # thousands of requests: only the last are kept
            return answer(body)

        return reply

    server = EndpointServer(
        {f"{ACT_PREFIX}*": script(oracle.act), f"{REASON_PREFIX}*": script(oracle.reason)},
        latency={
            f"{ACT_PREFIX}*": Latency(first_token_s=act_s),
            f"{REASON_PREFIX}*": Latency(first_token_s=reason_s),
        },
    )
    return server


@asynccontextmanager
async def scripted_endpoint(
    wheel: Path, *, act_error: float, seed: int, act_s: float, reason_s: float
) -> AsyncIterator[str]:
    """Serve the scripted lanes from a process of their own while the block runs.

    Args:
        wheel: The file that `fetch_wheel` gave.
        act_error: Share of its calls that the act lane gets wrong at first.
        seed: Seed of its errors.
        act_s: How long the act lane takes for a reply.
        reason_s: How long the reason lane takes.

    Yields:
        The endpoint's base URL.

    Raises:
        EndpointUnreachable: The process did not start.
    """
    options = {
        "wheel": str(wheel),
        "act_error": act_error,
        "seed": seed,
        "act_s": act_s,
        "reason_s": reason_s,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "agentlanes.bench.bfcl_server",
        json.dumps(options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the bench, which then ends this process itself
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                line = await process.stdout.readline()
            yield_url: str = json.loads(line)["base_url"]
        except (TimeoutError, ValueError, KeyError) as error:
            raise EndpointUnreachable(
                "the scripted lanes' process did not start; what it wrote above says why",
                model="scripted",
            ) from error
        yield yield_url
    finally:
        process.stdin.close()
        await _ended(process.wait(), process.kill)


async def _ended(waiting: Awaitable[int], kill: Callable[[], None]) -> None:
    task = asyncio.ensure_future(waiting)
    done, _ = await asyncio.wait({task}, timeout=_STOP_TIMEOUT_S)
    if not done:
        kill()
        await task


async def _serve(options: Mapping[str, Any]) -> None:
    oracle = Oracle(Path(options["wheel"]), act_error=options["act_error"], seed=options["seed"])
    async with serve_oracle(oracle, act_s=options["act_s"], reason_s=options["reason_s"]) as server:
        sys.stdout.write(json.dumps({"base_url": server.base_url}) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(json.loads(sys.argv[1])))
