from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from langchain_core.tools import tool

from agentlanes.config import Secret, Settings
from agentlanes.errors import (
    DeadlineExceeded,
    EndpointOverloaded,
    EndpointRefused,
    EndpointUnreachable,
    IncompleteReply,
    LaneError,
    MalformedReply,
    ReplyBlocked,
    ToolCallingUnsupported,
)
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.lane import Lane, Timers
from agentlanes.lanes.retry import retry_after_s
from agentlanes.lanes.translate import Asked, translate
from agentlanes.testing import EndpointServer, Fault, Latency, Reply, on_requests

QUICK = Timers(connect_s=2, first_token_s=0.3, progress_s=0.3, total_s=5)


@tool
def get_weather(city: str) -> str:
    """Current weather of a city."""
    return city


def ok(body: dict[str, Any]) -> Reply:
    return Reply(content="all is well")


def model_at(base_url: str, **fields: Any) -> LaneChatModel:
    return LaneChatModel.from_lane(Lane("m", base_url=base_url, **fields), "act", Settings())


async def drain(model: Any, text: str = "?") -> str:
    return "".join([chunk.text async for chunk in model.astream(text)])


@pytest.mark.parametrize("status", [408, 409, 425, 500, 502, 503, 504])
@pytest.mark.parametrize("ask", ["ainvoke", "astream"])
async def test_a_transient_status_is_tried_again(status: int, ask: str) -> None:
    faults = on_requests(Fault(kind="status", status=status), 1)
    async with EndpointServer(ok, faults=faults) as server:
        model = model_at(server.base_url)
        if ask == "ainvoke":
            message = await model.ainvoke("?")
            assert message.text == "all is well"
            times = message.response_metadata["agentlanes_times"]
            assert times["attempts"] == 2
            assert 0 < times["retry_ms"] < times["duration_ms"]
        else:
            assert await drain(model) == "all is well"
        assert len(server.requests) == 2
        await model.aclose()


async def test_attempts_run_out() -> None:
    async with EndpointServer(ok, faults=on_requests(Fault(kind="status", status=503))) as server:
        model = model_at(server.base_url)
        with pytest.raises(EndpointOverloaded, match="after 3 requests") as caught:
            await model.ainvoke("?")
        assert len(server.requests) == 3
        assert (caught.value.attempts, caught.value.status) == (3, 503)
        assert caught.value.model == "m"
        assert server.base_url in str(caught.value)
        one = model_at(server.base_url, max_attempts=1)
        with pytest.raises(EndpointOverloaded):
            await one.ainvoke("?")
        assert len(server.requests) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_a_final_status_is_not_tried_again(status: int) -> None:
    faults = on_requests(Fault(kind="status", status=status))
    async with EndpointServer(ok, faults=faults) as server:
        with pytest.raises(EndpointRefused) as caught:
            await model_at(server.base_url).ainvoke("?")
        assert caught.value.status == status
        assert len(server.requests) == 1


async def test_a_used_up_quota_is_final() -> None:
    error = {"message": "no credit", "type": "insufficient_quota", "code": "insufficient_quota"}
    async with EndpointServer(lambda body: Reply(status=429, error=error)) as server:
        with pytest.raises(EndpointRefused, match="quota"):
            await model_at(server.base_url).ainvoke("?")
        assert len(server.requests) == 1


async def test_retry_after_is_waited_for() -> None:
    faults = on_requests(Fault(kind="status", status=429, retry_after="0.3"), 1)
    async with EndpointServer(ok, faults=faults) as server:
        await model_at(server.base_url).ainvoke("?")
        first, second = server.requests
        assert second.t_start - (first.t_end or 0) >= 0.29


@pytest.mark.parametrize("header", ["130", "1e9"])
async def test_a_retry_after_beyond_the_deadline_fails_at_once(header: str) -> None:
    faults = on_requests(Fault(kind="status", status=429, retry_after=header))
    async with EndpointServer(ok, faults=faults) as server:
        with pytest.raises(EndpointOverloaded):
            await model_at(server.base_url).ainvoke("?")
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:00 GMT"}, 50.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:01 GMT"}, 0.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "NaN"}, None),
        ({"retry-after": "1e400"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_reading_retry_after(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(headers, now=10.0) == expected


async def test_a_header_that_forbids_retries_is_kept() -> None:
    reply = Reply(status=503, headers={"x-should-retry": "false"})
    async with EndpointServer(lambda body: reply) as server:
        with pytest.raises(EndpointRefused, match="repeating will not help") as caught:
            await model_at(server.base_url).ainvoke("?")
        assert caught.value.status == 503
        assert len(server.requests) == 1


async def test_a_script_that_raises_is_quoted() -> None:
    def script(body: dict[str, Any]) -> Reply:
        raise KeyError("no such scene")

    async with EndpointServer(script) as server:
        with pytest.raises(EndpointRefused, match="no such scene") as caught:
            await model_at(server.base_url).ainvoke("?")
        assert "later" not in str(caught.value)
        assert (caught.value.status, len(server.requests)) == (500, 1)


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


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "registry/library/tiny does not support tools"),
        (400, '"auto" tool choice requires --enable-auto-tool-choice to be set'),
        (404, "No endpoints found that support tool use"),
        (500, "tools param requires --jinja flag"),
    ],
)
async def test_a_model_without_tool_calling_is_told_apart(status: int, text: str) -> None:
    async with EndpointServer(lambda body: Reply(status=status, error=text)) as server:
        model = model_at(server.base_url)
        with pytest.raises(ToolCallingUnsupported, match='tool_format="json"'):
            await model.bind_tools([get_weather]).ainvoke("?")
        assert len(server.requests) == 1
        with pytest.raises((EndpointRefused, EndpointOverloaded)):
            await model.ainvoke("no tools in this one")


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
    import asyncio

    async with EndpointServer(ok) as server:
        model = model_at(server.base_url, timers=QUICK)
        text = ""
        async for chunk in model.astream("?"):
            text += chunk.text
            await asyncio.sleep(0.15)
        assert text == "all is well"


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


def _every(kind: type[BaseException]) -> list[type[BaseException]]:
    return [kind, *(deeper for sub in kind.__subclasses__() for deeper in _every(sub))]


def test_every_error_of_the_sdk_is_translated() -> None:
    import httpx2

    asked = Asked(model="m", base_url="http://h/v1", key=Secret("sk-hidden"))
    request = httpx2.Request("POST", "http://h/v1")
    response = httpx2.Response(503, request=request)
    seen = 0
    for kind in _every(openai.OpenAIError):
        error: Any = kind.__new__(kind)
        Exception.__init__(error, "sk-hidden said so")
        vars(error).update(
            message="sk-hidden said so",
            request=request,
            response=response,
            body=None,
            code=None,
            param=None,
            type=None,
            status_code=getattr(kind, "status_code", 503),
            request_id=None,
        )
        failed = translate(error, asked)
        assert failed is not None, kind
        assert "sk-hidden" not in str(failed.error)
        seen += 1
    assert seen > 12
    assert translate(KeyError("a bug"), asked) is None
