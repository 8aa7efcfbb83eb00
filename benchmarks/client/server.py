"""The endpoint that all clients ask, in a process of its own.

A model's name says how it answers: `answer/<ms>` streams 24 tokens in so many milliseconds, and
`fault/<name>/<number>` does what `FAULTS` says each time it is asked. The requests made for a name
are told by `GET /v1/models`' place in the protocol: a `count/<name>` model answers with them.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from agentlanes.testing import EndpointServer, Fault, Latency, Reply

__all__ = ["FAULTS", "TEXT"]

TEXT = (
    "The answer takes two dozen tokens, which is what a verdict or a call has. " + "And so on. " * 2
)

FAULTS: dict[str, Reply] = {
    "503 for ever": Reply(status=503),
    "500 for ever": Reply(status=500),
    "429 for ever, Retry-After 1": Reply(status=429, headers={"Retry-After": "1"}),
    "400": Reply(status=400),
    "401": Reply(status=401),
    "reset before headers": Reply(fault=Fault(kind="reset")),
    "reset in the stream": Reply(content=TEXT, fault=Fault(kind="cut", after_chunks=5)),
    "end of file in the stream": Reply(
        content=TEXT, fault=Fault(kind="cut", after_chunks=5, close="fin")
    ),
    "no finish reason": Reply(content=TEXT, fault=Fault(kind="no_finish")),
    "finish reason length": Reply(content=TEXT, finish_reason="length"),
    "broken JSON in the stream": Reply(content=TEXT, fault=Fault(kind="bad_json", after_chunks=5)),
    "error in the stream": Reply(error="the model crashed"),
    "web page with status 200": Reply(fault=Fault(kind="html")),
}
"""What goes wrong, by name; each time the same."""


async def _serve() -> None:
    async def answer(body: dict[str, Any]) -> Reply:
        latency_s = float(body["model"].rpartition("/")[2]) / 1000
        return Reply(content=TEXT, latency=Latency(first_token_s=latency_s / 2, total_s=latency_s))

    def fault(body: dict[str, Any]) -> Reply:
        return FAULTS[body["model"].split("/")[1]]

    def count(body: dict[str, Any]) -> Reply:
        asked = body["model"].removeprefix("count/")
        return Reply(content=str(sum(log.model == asked for log in server.requests)))

    server = EndpointServer({"answer/*": answer, "fault/*": fault, "count/*": count})
    async with server:
        print(server.base_url, flush=True)
        while await asyncio.to_thread(sys.stdin.readline):  # until the parent is done, or gone
            server.requests.clear()


if __name__ == "__main__":
    asyncio.run(_serve())
