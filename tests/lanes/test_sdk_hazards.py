"""What the `openai` SDK does by itself that an agent must not rely on, beside what a lane does.

Each test shows both over real sockets. docs/reliability.md tells the same in words; when an upgrade
of the SDK makes the first half of a test fail, the hazard is gone, and its row there with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import openai
import pytest
import tenacity
from langchain_core.messages import AIMessage

from agentlanes.config import Settings
from agentlanes.errors import (
    DeadlineExceeded,
    EndpointOverloaded,
    EndpointRefused,
    IncompleteReply,
    LaneError,
    MalformedReply,
)
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.lane import Lane, Timers

Handler = Callable[[asyncio.StreamWriter, "Endpoint"], Awaitable[None]]
_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "pay",
        "parameters": {
            "type": "object",
            "properties": {"amount": {"type": "number"}},
            "required": ["amount"],
        },
    },
}


class Endpoint:
    """Answers every request in one way.

    Attributes:
        url: What a client takes as its `base_url`.
        heads: The heads of the requests that arrived.
    """

    def __init__(self, answer: Handler | bytes) -> None:
        self._answer = answer
        self.url = ""
        self.heads: list[str] = []
        self.tasks: set[asyncio.Task[Any]] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await self._serve(reader, writer)
        finally:
            self.tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            sizes = (line.split(":")[1] for line in head.lower().split("\r\n") if "th: " in line)
            await reader.readexactly(int(next(sizes)))
            self.heads.append(head)
            if isinstance(self._answer, bytes):
                writer.write(self._answer)
            else:
                await self._answer(writer, self)
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def endpoint(answer: Handler | bytes) -> AsyncIterator[Endpoint]:
    here = Endpoint(answer)
    server = await asyncio.start_server(here.handle, "127.0.0.1", 0)
    here.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield here
    finally:
        server.close()
        if here.tasks:
            await asyncio.wait(here.tasks)
        await server.wait_closed()


def http(*events: str, kind: str = "text/event-stream", status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n"
    return (head + "".join(events)).encode()


def event(value: Any) -> str:
    return f"data: {json.dumps(value)}\n\n"


def delta(finish: str | None = None, **fields: Any) -> str:
    choice = {"index": 0, "delta": fields, "finish_reason": finish}
    return event({"id": "1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]})


def call(arguments: str, finish: str | None = "tool_calls") -> str:
    function = {"name": "pay", "arguments": arguments}
    piece = {"index": 0, "id": "c1", "type": "function", "function": function}
    return delta(tool_calls=[piece]) + (delta(finish) if finish else "")


DONE = "data: [DONE]\n\n"


async def by_sdk(url: str, **options: Any) -> list[Any]:
    """Stream a reply with the SDK alone; give its chunks."""
    async with openai.AsyncOpenAI(base_url=url, api_key="any", **options) as client:
        stream = await client.chat.completions.create(model="m", messages=[], stream=True)
        return [chunk async for chunk in stream]


async def whole_by_sdk(url: str, **options: Any) -> Any:
    async with openai.AsyncOpenAI(base_url=url, api_key="any", **options) as client:
        return await client.chat.completions.create(model="m", messages=[])


async def by_lane(url: str, *, tools: bool = False, **options: Any) -> AIMessage:
    lane = Lane("m", base_url=url, **{"max_attempts": 1, **options})
    model = LaneChatModel.from_lane(lane, "act", Settings())
    try:
        return await (model.bind_tools([_TOOL]) if tools else model).ainvoke("?")
    finally:
        await model.aclose()


@pytest.mark.parametrize(
    "drop",
    [
        ": ping\n\n",
        delta(content=""),
        event({"id": "1", "object": "chat.completion.chunk", "model": "m", "choices": []}),
    ],
)
async def test_a_timeout_bounds_each_read_and_not_the_reply(drop: str) -> None:
    async def drip(writer: asyncio.StreamWriter, here: Endpoint) -> None:
        writer.write(http())
        for _ in range(30):
            writer.write(drop.encode())
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.write((delta(content="late") + delta("stop") + DONE).encode())

    async with endpoint(drip) as here:
        chunks = await by_sdk(here.url, timeout=1.0)  # and it takes 1.5 s
        assert any(c.choices and c.choices[0].delta.content == "late" for c in chunks)
        timers = Timers(connect_s=5, first_token_s=0.3, progress_s=0.3, total_s=5)
        with pytest.raises(DeadlineExceeded):
            await by_lane(here.url, timers=timers)


@pytest.mark.parametrize(
    ("answer", "chunks"),
    [
        pytest.param(http(delta(content="par")), 1, id="ends without finish reason or DONE"),
        pytest.param(http(delta(content="par"), DONE), 1, id="ends without finish reason"),
        pytest.param(http(call('{"amount": 1', None), DONE), 1, id="ends inside a tool call"),
        pytest.param(http(), 0, id="holds nothing"),
        pytest.param(http(DONE), 0, id="is over at once"),
        pytest.param(http(event({"id": "1", "choices": None}), DONE), 1, id="choices is null"),
        pytest.param(http(event({"id": "1", "choices": []}), DONE), 1, id="choices is empty"),
        pytest.param(http("<h1>Sign in</h1>", kind="text/html"), 0, id="is a web page"),
        pytest.param(
            http(json.dumps({"error": {"message": "no"}}), kind="application/json"),
            0,
            id="is an error in JSON with status 200",
        ),
        pytest.param(
            http(delta(content="par"), 'event: error\ndata: {"message": "boom"}\n\n'),
            2,
            id="has an event named error",
        ),
        pytest.param(
            http(delta(content="par"), event({"object": "error", "message": "boom"})),
            2,
            id="has an error object that is not under `error`",
        ),
        pytest.param(
            http(delta(content="par"), delta("length"), DONE), 2, id="was cut by the token limit"
        ),
    ],
)
async def test_a_stream_that_is_no_reply_raises_nothing(answer: bytes, chunks: int) -> None:
    async with endpoint(answer) as here:
        assert len(await by_sdk(here.url)) == chunks
        with pytest.raises(LaneError):
            await by_lane(here.url)


@pytest.mark.parametrize(
    ("body", "kind", "given"),
    [
        ("<h1>Sign in</h1>", "text/html", str),
        ("null", "application/json", type(None)),
        ("{}", "application/json", openai.types.chat.ChatCompletion),
        ('{"choices": null}', "application/json", openai.types.chat.ChatCompletion),
        ('{"error": {"message": "no"}}', "application/json", openai.types.chat.ChatCompletion),
        (
            '{"choices": [{"message": {"content": "par"}}]}',
            "application/json",
            openai.types.chat.ChatCompletion,
        ),
    ],
)
async def test_a_body_that_is_no_reply_raises_nothing(body: str, kind: str, given: type) -> None:
    async with endpoint(http(body, kind=kind)) as here:
        assert isinstance(await whole_by_sdk(here.url), given)
        with pytest.raises((MalformedReply, IncompleteReply, EndpointRefused)):
            await by_lane(here.url, extra_body={"stream": False})


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        ('{"amount": 1, "amount": 1000}', {"amount": 1000}),  # who checked which?
        ('{"amount": NaN}', None),
        ('{"amount": Infinity}', None),
        ("[1]", [1]),
        ("1000", 1000),
        ("null", None),
    ],
)
async def test_arguments_that_json_accepts_and_no_tool_should_see(
    arguments: str, read: Any
) -> None:
    async with endpoint(http(call(arguments), DONE)) as here:
        chunks = await by_sdk(here.url)
        text = chunks[0].choices[0].delta.tool_calls[0].function.arguments
        parsed = json.loads(text)  # what everybody does next, and it raises nothing
        assert read is None or parsed == read
        with pytest.raises(MalformedReply):
            await by_lane(here.url, tools=True)


async def test_arguments_cut_by_the_token_limit_may_parse() -> None:
    # {"amount": 1000} with its end lost in a proxy that closes what it finds open
    async with endpoint(http(call('{"amount": 10}', None), delta("length"), DONE)) as here:
        chunks = await by_sdk(here.url)
        text = chunks[0].choices[0].delta.tool_calls[0].function.arguments
        assert json.loads(text) == {"amount": 10}
        with pytest.raises(IncompleteReply):
            await by_lane(here.url, tools=True)


async def test_retries_multiply() -> None:
    unavailable = http(status="503 Service Unavailable\r\nretry-after-ms: 10")
    async with endpoint(unavailable) as here:
        again = tenacity.AsyncRetrying(stop=tenacity.stop_after_attempt(3), reraise=True)
        with pytest.raises(openai.InternalServerError):
            await again(whole_by_sdk, here.url)
        assert len(here.heads) == 9
        here.heads.clear()
        with pytest.raises(EndpointOverloaded):
            await by_lane(here.url, max_attempts=3)
        assert len(here.heads) == 3


async def test_a_header_makes_it_repeat_what_was_refused() -> None:
    refused = http(status="400 Bad Request\r\nx-should-retry: true\r\nretry-after-ms: 10")
    async with endpoint(refused) as here:
        with pytest.raises(openai.BadRequestError):
            await whole_by_sdk(here.url)
        assert len(here.heads) == 3
        here.heads.clear()
        with pytest.raises(EndpointRefused):
            await by_lane(here.url, max_attempts=3)
        assert len(here.heads) == 1


async def test_the_environments_account_is_told_to_any_endpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-mine")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gate: gate-token")
    whole = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
    async with endpoint(http(json.dumps(whole), kind="application/json")) as here:
        await whole_by_sdk(here.url)
        assert "org-of-mine" in here.heads[0]
        assert "gate-token" in here.heads[0]
        assert (await by_lane(here.url, extra_body={"stream": False})).content == "hi"
        assert "org-of-mine" not in here.heads[1]
        assert "gate-token" not in here.heads[1]


async def test_the_urls_password_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    whole = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
    async with endpoint(http(json.dumps(whole), kind="application/json")) as here:
        url = here.url.replace("//", "//me:pass-word@")
        await whole_by_sdk(url)
        assert "pass-word" in caplog.text
        caplog.clear()
        assert (await by_lane(url, extra_body={"stream": False})).content == "hi"
        assert "pass-word" not in caplog.text
        assert "authorization: basic" in here.heads[1].lower()
