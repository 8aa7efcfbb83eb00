from __future__ import annotations

from typing import Any

import pytest

from agentlanes.errors import (
    EndpointOverloaded,
    EndpointRefused,
    IncompleteReply,
    LaneError,
    MalformedReply,
    ReplyBlocked,
)
from agentlanes.testing import EndpointServer, Fault, Reply, on_requests
from tests.lanes.asking import drain, get_weather, model_at, ok


async def test_a_stream_without_finish_reason_is_incomplete() -> None:
    async with EndpointServer(ok, faults=on_requests(Fault(kind="no_finish"))) as server:
        with pytest.raises(IncompleteReply, match="finish reason"):
            await model_at(server.base_url).ainvoke("?")
        with pytest.raises(IncompleteReply, match="finish reason"):
            await drain(model_at(server.base_url))
        with pytest.raises(IncompleteReply, match="finish reason"):
            await model_at(server.base_url, extra_body={"stream": False}).ainvoke("?")


@pytest.mark.parametrize("kind", ["html", "bad_json"])
@pytest.mark.parametrize("stream", [True, False])
async def test_what_is_no_json_is_malformed(kind: Any, stream: bool) -> None:
    async with EndpointServer(ok, faults=on_requests(Fault(kind=kind))) as server:
        with pytest.raises(MalformedReply):
            await model_at(server.base_url, extra_body={"stream": stream}).ainvoke("?")
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("reason", "kind"), [("length", IncompleteReply), ("content_filter", ReplyBlocked)]
)
async def test_finish_reasons_that_are_no_success(reason: str, kind: type[LaneError]) -> None:
    reply = Reply(tool_calls=[("get_weather", {"city": "Paris"})], finish_reason=reason)
    async with EndpointServer(lambda body: reply) as server:
        model = model_at(server.base_url).bind_tools([get_weather])
        with pytest.raises(kind, match=reason):
            await model.ainvoke("?")
        with pytest.raises(kind, match=reason):
            await drain(model)


@pytest.mark.parametrize(
    "args",
    [
        '{"city": "Par',
        '{"city": "a", "city": "b"}',
        '{"city": NaN}',
        "[1]",
        "null",
        "",
        "{} {}",
        '{"a":' * 70 + "1" + "}" * 70,
    ],
)
async def test_arguments_that_are_no_strict_object_are_refused(args: str) -> None:
    reply = Reply(tool_calls=[("get_weather", args)])
    async with EndpointServer(lambda body: reply) as server:
        with pytest.raises(MalformedReply, match="get_weather"):
            await model_at(server.base_url).bind_tools([get_weather]).ainvoke("?")
        with pytest.raises(MalformedReply, match="get_weather"):
            await drain(model_at(server.base_url).bind_tools([get_weather]))


async def test_endless_arguments_are_given_up() -> None:
    reply = Reply(tool_calls=[("get_weather", '{"city": "' + "x" * 300_000 + '"}')])
    async with EndpointServer(lambda body: reply) as server:
        with pytest.raises(MalformedReply, match="too long"):
            await model_at(server.base_url).bind_tools([get_weather]).ainvoke("?")


def sse(*events: str, done: bool = True) -> bytes:
    body = "".join(f"{event}\n\n" for event in events) + ("data: [DONE]\n\n" if done else "")
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + body.encode()


def plain(body: str, kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    return (head + body).encode()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (sse('event: error\ndata: {"message": "broken"}'), EndpointRefused),
        (sse('data: {"error": {"message": "boom", "type": "invalid"}}'), EndpointRefused),
        (sse('data: {"error": {"message": "boom", "type": "server_error"}}'), EndpointOverloaded),
        (sse('data: {"choices": null}'), MalformedReply),
        (sse('data: {"choices": [3]}'), MalformedReply),
        (sse('data: {"choices": [{"delta": 3}]}'), MalformedReply),
        (sse('data: {"choices": [{"delta": {"content": 3}}]}'), MalformedReply),
        (sse('data: {"choices": [{"delta": {"tool_calls": [{"function": 1}]}}]}'), MalformedReply),
        (sse('data: {"choices": []}'), MalformedReply),
        (sse("data: null"), MalformedReply),
        (sse(), MalformedReply),
        (plain("null"), MalformedReply),
        (plain('{"choices": []}'), MalformedReply),
        (plain("<html></html>", "text/html"), MalformedReply),
    ],
)
async def test_bodies_that_are_not_the_protocol(
    raw_server: Any, answer: bytes, kind: type[LaneError]
) -> None:
    url = await raw_server(answer)
    for streamed in (True, False):
        model = model_at(url, extra_body={"stream": streamed}, max_attempts=1)
        expected = kind if streamed else LaneError
        with pytest.raises(expected):
            await model.ainvoke("?")
        await model.aclose()


async def test_bytes_that_are_no_utf8(raw_server: Any) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    url = await raw_server(head + b'data: {"choices": "\xff\xfe"}\n\n')
    model = model_at(url)
    with pytest.raises(MalformedReply):
        await model.ainvoke("?")
    await model.aclose()
