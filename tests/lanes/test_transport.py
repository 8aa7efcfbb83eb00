"""Both transports of a lane's clients: cancelled, half-closed, and with many calls at once."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from agentlanes.config import Settings
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.lane import Lane
from agentlanes.lanes.policies.settings import Resilience
from agentlanes.testing import EndpointServer, Fault, Latency, Reply
from agentlanes.testing.reply import completion


@pytest.fixture(autouse=True, params=["aiohttp", "httpx"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name: str = request.param
    monkeypatch.setenv("AGENTLANES_TRANSPORT", name)
    return name


def model_at(url: str, **options: object) -> LaneChatModel:
    lane = Lane("m", base_url=url, **options)  # type: ignore[arg-type]
    return LaneChatModel.from_lane(lane, "act", Settings())


async def test_the_transport_is_the_one_that_was_asked_for(transport: str) -> None:
    model = model_at("http://127.0.0.1:9/v1")
    client = await model._clients.acquire()
    assert ("aiohttp" in type(client._client).__mro__[1].__module__) is (transport == "aiohttp")
    await model.aclose()


@pytest.mark.parametrize("after_chunks", [0, 3])
async def test_a_cancelled_call_leaves_nothing(after_chunks: int) -> None:
    """Before the headers, and in the middle of a stream."""
    stalls = Fault(kind="stall", after_chunks=after_chunks)
    async with EndpointServer(lambda body: Reply(content="x" * 40, fault=stalls)) as server:
        model = model_at(server.base_url)
        calls = [asyncio.create_task(model.ainvoke("?")) for _ in range(5)]
        async with asyncio.timeout(30):
            while len(server.requests) < 5:  # noqa: ASYNC110 - the server signals nothing
                await asyncio.sleep(0.01)
            before = {task for task in asyncio.all_tasks() if task not in calls}
            for one in calls:
                one.cancel()
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(one, asyncio.CancelledError) for one in ended)
            await server.wait_idle()  # it has noticed that they left
        assert all(log.aborted for log in server.requests)
        await model.aclose()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() - before == set()
    gc.collect()  # a socket that is left over is a warning, and so an error


@contextlib.asynccontextmanager
async def closing_endpoint(how: str) -> AsyncIterator[tuple[str, Counter[str]]]:
    """Keeps a connection for one answer, does not say so, and then ends it."""
    seen: Counter[str] = Counter()
    answer = json.dumps(completion(Reply(content="ok"), {"model": "m", "messages": []})).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        seen["connections"] += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            request = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(request.split(b"content-length: ")[1].split()[0]))
            seen["requests"] += 1
            writer.write(head % len(answer) + answer)
            await writer.drain()
            if how == "half":
                writer.write_eof()  # this side is done; the other may still write, to nobody
                await reader.read()
            elif how == "reset":
                sock: socket.socket = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        tasks.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", seen
    finally:
        server.close()
        if tasks:
            await asyncio.wait(tasks)
        await server.wait_closed()


@pytest.mark.parametrize("how", ["close", "half", "reset"])
@pytest.mark.parametrize("pause_s", [0.0, 0.05])
async def test_a_connection_that_the_endpoint_ended_is_not_used_again(
    how: str, pause_s: float
) -> None:
    async with closing_endpoint(how) as (url, seen):
        model = model_at(url, extra_body={"stream": False})
        for _ in range(6):
            assert (await model.ainvoke("?")).content == "ok"
            await asyncio.sleep(pause_s)
        await model.aclose()
    # Whatever was sent into an ended connection was sent again, by the lane and once.
    assert seen["requests"] == 6
    gc.collect()


async def test_many_calls_at_once_share_connections_within_the_limit() -> None:
    slow = Latency(first_token_s=0.02)
    async with EndpointServer(lambda body: Reply(content="ok"), latency=slow) as server:
        model = model_at(server.base_url, resilience=Resilience(limit_start=8, limit_max=8))
        said = await asyncio.gather(*(model.ainvoke("?") for _ in range(60)))
        await model.aclose()
    assert [one.content for one in said] == ["ok"] * 60
    starts = sorted((log.t_start, 1) for log in server.requests)
    ends = sorted((log.t_end or 0.0, -1) for log in server.requests)
    at_once, most = 0, 0
    for _, change in sorted([*starts, *ends]):
        at_once += change
        most = max(most, at_once)
    assert most <= 8
