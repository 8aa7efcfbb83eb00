"""The scripted lanes behind a real socket, in a process of their own.

`python -m benchmarks.peers.endpoint OPTIONS` serves until its standard input closes, so it never
outlives who started it. A line on its standard input, a task's place in the workload, puts that
task on stage; it answers with all requests that came since the last such line. The models are
`act` and `reason`, with a `+` behind where several calls may be made in a reply.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agentlanes.errors import EndpointUnreachable
from agentlanes.testing import EndpointServer, Latency, Reply, RequestLog
from benchmarks.peers.run import Setup
from benchmarks.peers.stage import Profile, Request, Stage
from benchmarks.peers.workloads import items_of

__all__ = ["Endpoint", "endpoint"]

_HOME = Path(__file__).parents[2]
_START_TIMEOUT_S, _STOP_TIMEOUT_S = 60.0, 5.0
_LOG_LENGTH = 64


class Endpoint:
    """The process, as seen from the one that started it."""

    def __init__(self, process: asyncio.subprocess.Process, base_url: str) -> None:
        self._process, self.base_url = process, base_url

    async def stage(self, place: int) -> list[Request]:
        """Put a task on stage, and give the requests since the last one was.

        Raises:
            EndpointUnreachable: The process has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{place}\n".encode())
        with contextlib.suppress(ConnectionError):
            await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        if not line:
            raise EndpointUnreachable("the scripted lanes' process has ended", model="scripted")
        return [Request(**one) for one in json.loads(line)]


@asynccontextmanager
async def endpoint(setup: Setup, scale: float) -> AsyncIterator[Endpoint]:
    """Serve the scripted lanes while the block runs.

    Args:
        setup: Workload, errors, seed and latencies.
        scale: How many of the profile's seconds pass in one second.

    Raises:
        EndpointUnreachable: The process did not start.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.peers.endpoint",
        json.dumps({**dataclasses.asdict(setup), "scale": scale}),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**26,
        cwd=_HOME,
        start_new_session=True,  # Ctrl-C is for the one that started it, which then ends it
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                told = json.loads(await process.stdout.readline())
        except (TimeoutError, ValueError) as error:
            raise EndpointUnreachable(
                "the scripted lanes' process did not start; what it wrote above says why",
                model="scripted",
            ) from error
        yield Endpoint(process, told["base_url"])
    finally:
        process.stdin.close()
        ended = asyncio.ensure_future(process.wait())
        if not (await asyncio.wait({ended}, timeout=_STOP_TIMEOUT_S))[0]:
            process.kill()
            await ended


async def _serve(options: Mapping[str, Any]) -> None:
    items = items_of(options["workload"])
    stage = Stage(
        items,
        act_error=options["act_error"],
        seed=options["seed"],
        profile=Profile(**options["profile"]),
    )
    scale = options["scale"]
    item = items.items()[0]
    open_now: dict[int, Request] = {}
    ended: list[Request] = []

    def script(body: dict[str, Any]) -> Reply:
        del server.requests[:-_LOG_LENGTH]
        lane, several, _ = body["model"].partition("+")
        answer, request = stage.ask(
            item, lane, body["messages"], body.get("tools") or [], parallel=bool(several)
        )
        open_now[id(body)] = request
        took = request.took_s / scale
        return Reply(
            content=answer.text or None,
            tool_calls=[(call.tool, dict(call.args)) for call in answer.calls],
            latency=Latency(first_token_s=took, total_s=took),
            usage={
                "prompt_tokens": request.prompt_tokens,
                "completion_tokens": request.output_tokens,
                "total_tokens": request.prompt_tokens + request.output_tokens,
            },
        )

    def over(log: RequestLog) -> None:
        request = open_now.pop(id(log.body), None)
        if request is None:
            return
        if log.aborted and log.t_end is not None:
            request.cancelled_s = (log.t_end - log.t_start) * scale
        ended.append(request)

    server = EndpointServer(script, apis=("chat",), on_end=over)
    async with server:
        _say({"base_url": server.base_url})
        while line := await asyncio.to_thread(sys.stdin.readline):
            # A client that left is noticed a moment later; its request belongs to its task.
            await server.wait_idle()
            _say([dataclasses.asdict(one) for one in ended])
            ended.clear()
            item = items.items()[int(line)]


def _say(what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve(json.loads(sys.argv[1])))
