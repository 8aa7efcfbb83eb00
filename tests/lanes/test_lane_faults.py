from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from agentlanes.errors import (
    DeadlineExceeded,
    EndpointUnreachable,
    IncompleteReply,
)
from agentlanes.lanes.lane import Timers
from agentlanes.testing import EndpointServer, Fault, Latency, Reply, on_requests
from tests.lanes.asking import QUICK, drain, model_at, ok


@pytest.mark.parametrize("close", ["rst", "fin"])
async def test_a_reset_before_the_reply_is_tried_again(close: Any) -> None:
    faults = on_requests(Fault(kind="reset", close=close), 1)
    async with EndpointServer(ok, faults=faults) as server:
        assert await drain(model_at(server.base_url)) == "all is well"
        assert len(server.requests) == 2


async def test_nobody_listens() -> None:
    async with EndpointServer(ok) as server:
        base_url = server.base_url
    with pytest.raises(EndpointUnreachable, match="base_url") as caught:
        await model_at(base_url).ainvoke("?")
    assert caught.value.attempts == 3


@pytest.mark.parametrize("close", ["rst", "fin"])
async def test_a_cut_stream_is_retried_only_if_nothing_was_shown(close: Any) -> None:
    faults = on_requests(Fault(kind="cut", after_chunks=3, close=close), 1, 3)
    async with EndpointServer(ok, faults=faults) as server:
        model = model_at(server.base_url)
        assert (await model.ainvoke("?")).text == "all is well"
        assert len(server.requests) == 2
        with pytest.raises(IncompleteReply):
            await drain(model)
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("latency", "timers", "what"),
    [
        (Latency(first_token_s=30), QUICK, "no first token within 0.3 s"),
        (Latency(token_s=30), QUICK, "nothing more for 0.3 s"),
        (
            Latency(token_s=0.05),
            Timers(connect_s=2, first_token_s=5, progress_s=5, total_s=0.4),
            "no complete reply within 0.4 s",
        ),
    ],
)
@pytest.mark.parametrize("ask", ["ainvoke", "astream"])
async def test_timers(latency: Latency, timers: Timers, what: str, ask: str) -> None:
    async with EndpointServer(lambda body: Reply(content="x" * 400), latency=latency) as server:
        model = model_at(server.base_url, timers=timers)
        with pytest.raises(DeadlineExceeded, match=what):
            await (model.ainvoke("?") if ask == "ainvoke" else drain(model))
        await server.wait_idle()
        assert len(server.requests) == 1
        assert server.requests[0].aborted


async def test_empty_deltas_are_no_progress(raw_server: Any) -> None:
    import asyncio

    empty = json.dumps({"choices": [{"index": 0, "delta": {"content": ""}}]})

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        try:
            for _ in range(400):
                writer.write(f": ping\n\ndata: {empty}\n\n".encode())
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        model = model_at(url, timers=QUICK)
        with pytest.raises(DeadlineExceeded, match="first token"):
            await model.ainvoke("?")
        await model.aclose()


async def test_a_slow_reader_does_not_run_into_the_timers() -> None:
    async with EndpointServer(ok) as server:
        model = model_at(server.base_url, timers=QUICK)
        text = ""
        async for chunk in model.astream("?"):
            text += chunk.text
            await asyncio.sleep(0.15)
        assert text == "all is well"


async def test_a_blocked_loop_shows_nothing_of_the_endpoint() -> None:
    timers = Timers(connect_s=0.1, first_token_s=5, progress_s=5, total_s=10)
    with EndpointServer(ok).serve_in_thread() as server:
        for turns in range(1, 12):  # of the loop, until the connections are being made
            model = model_at(server.base_url, timers=timers)
            calls = [asyncio.create_task(model.ainvoke("?")) for _ in range(8)]
            for _ in range(turns):
                await asyncio.sleep(0)
            time.sleep(0.13)  # noqa: ASYNC251 - back just after the time for them has run out
            assert {reply.text for reply in await asyncio.gather(*calls)} == {"all is well"}
            await model.aclose()


def test_timers_without_a_loop() -> None:
    latency = Latency(token_s=30)
    server = EndpointServer(lambda body: Reply(content="x" * 40), latency=latency)
    with server.serve_in_thread():
        with pytest.raises(DeadlineExceeded):
            model_at(server.base_url, timers=QUICK).invoke("?")
        assert len(server.requests) == 1


def test_retries_without_a_loop() -> None:
    faults = on_requests(Fault(kind="status", status=503), 1)
    with EndpointServer(ok, faults=faults).serve_in_thread() as server:
        model = model_at(server.base_url)
        assert model.invoke("?").text == "all is well"
        assert "".join(chunk.text for chunk in model.stream("?")) == "all is well"
        assert len(server.requests) == 3
