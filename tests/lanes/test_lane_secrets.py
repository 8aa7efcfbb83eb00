from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumpd, dumps

from agentlanes.config import Settings
from agentlanes.errors import EndpointRefused, MissingKey
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.lane import Lane
from agentlanes.testing import EndpointServer, Reply
from agentlanes.testing.reply import completion

KEY = "sk-proj-very-secret-0123456789"


def model_of(base_url: str = "http://me:pass-word@127.0.0.1:9/v1") -> LaneChatModel:
    return LaneChatModel.from_lane(Lane("m", base_url=base_url, api_key=KEY), "act", Settings())


def test_no_view_of_the_model_shows_the_key() -> None:
    model = model_of()
    bound = model.bind_tools([{"type": "function", "function": {"name": "f"}}])
    views = [
        repr(model),
        str(model),
        model.model_dump(),
        model.model_dump_json(),
        dumpd(model),
        dumps(model),
        dumps(bound),
        repr(bound),
        model.lc_attributes,
        model._get_ls_params(),
        model._identifying_params,
        model._get_invocation_params(),
        model._serialized,
        model.asdict(),
        repr(model.lane),
        repr(model._clients),
        repr(model.__pydantic_private__),
        model._get_llm_string(),
    ]
    for view in views:
        assert KEY not in str(view)
    for view in views[:14]:
        assert "pass-word" not in str(view)


def test_the_model_is_not_pickled_with_its_key() -> None:
    with pytest.raises(TypeError, match="not serialised"):
        pickle.dumps(model_of().lane)
    with pytest.raises(TypeError, match="not serialised"):
        copy.deepcopy(model_of().lane)


class Everything(BaseCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.seen.append(f"{args} {kwargs}")

    def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
        self.seen.append(f"{args} {kwargs}")

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.seen.append(f"{traceback.format_exception(error)} {kwargs}")


async def test_traces_logs_and_errors_do_not_show_the_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    tracer = Everything()

    def script(body: dict[str, Any]) -> Reply:
        if body["messages"][0]["content"] == "fine":
            return Reply(content="fine")
        return Reply(status=401, error=f"the key {KEY} is not known")

    async with EndpointServer(script) as server:
        model = model_of(server.base_url)
        await model.ainvoke("fine", {"callbacks": [tracer]})
        with pytest.raises(EndpointRefused, match="OPENAI_API_KEY") as caught:
            await model.ainvoke("refuse", {"callbacks": [tracer]})
        with pytest.raises(EndpointRefused):
            [chunk async for chunk in model.astream("refuse", {"callbacks": [tracer]})]
        await model.aclose()
    assert "***" in str(caught.value)
    assert len(tracer.seen) == 6
    shown = "".join(traceback.format_exception(caught.value))
    for text in (*tracer.seen, caplog.text, shown, repr(caught.value.__context__)):
        assert KEY not in text


def headers_of(seen: list[bytes]) -> list[dict[str, str]]:
    heads = [head.decode().split("\r\n")[1:] for head in seen]
    return [{k.lower(): v for k, v in (line.split(": ", 1) for line in lines)} for lines in heads]


@pytest.fixture
async def listener() -> AsyncIterator[tuple[str, list[bytes]]]:
    """An endpoint that keeps the head of every request, and answers them."""
    seen: list[bytes] = []
    body = json.dumps(completion(Reply(content="ok"), {"model": "m", "messages": []})).encode()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await reader.readuntil(b"\r\n\r\n"))[:-4])
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n"
        writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", seen
    server.close()
    await server.wait_closed()


@pytest.fixture
def rich_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", f"{KEY}-admin")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-mine")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-mine")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"Authorization: Basic {KEY}\nX-Gate: {KEY}-gate")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


async def ask(lane: Lane) -> None:
    """Ask both ways, with the environment's settings."""
    model = LaneChatModel.from_lane(lane, "act")
    assert (await model.ainvoke("?")).content == "ok"
    assert (await asyncio.to_thread(model.invoke, "?")).content == "ok"
    await model.aclose()


@pytest.mark.usefixtures("rich_environment")
async def test_a_lanes_own_endpoint_gets_nothing_of_the_environments_account(
    listener: tuple[str, list[bytes]],
) -> None:
    url, seen = listener
    whole = {"stream": False}
    await ask(Lane("m", base_url=url, extra_body=whole))
    await ask(Lane("m", base_url=url, api_key="sk-given", extra_body=whole))
    for head in seen:
        for theirs in (KEY.encode(), b"org-of-mine", b"project-of-mine"):
            assert theirs not in head
    sent = [headers["authorization"] for headers in headers_of(seen)]
    assert sent == ["Bearer no-key"] * 2 + ["Bearer sk-given"] * 2
    # a name and a password in the URL are as explicit as a key
    await ask(Lane("m", base_url=url.replace("//", "//me:pw@"), extra_body=whole))
    assert headers_of(seen)[-1]["authorization"] == "Basic bWU6cHc="


async def test_the_environments_endpoint_gets_the_environments_key(
    listener: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, seen = listener
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-mine")
    await ask(Lane("m", extra_body={"stream": False}))
    assert [head["authorization"] for head in headers_of(seen)] == [f"Bearer {KEY}"] * 2
    assert [head["openai-organization"] for head in headers_of(seen)] == ["org-of-mine"] * 2


def test_openai_named_by_a_lane_asks_for_a_key_of_the_lane() -> None:
    by_env = Settings.from_env({"OPENAI_API_KEY": KEY})
    with pytest.raises(MissingKey, match=r"without a base_url"):
        LaneChatModel.from_lane(Lane("m", base_url="https://api.openai.com/v1"), "act", by_env)


@pytest.mark.parametrize(
    "url",
    [
        "http://me:pass-word@127.0.0.1:9/v1",
        "http://me:pass-word/x@127.0.0.1:9/v1",
        "http://me:pass-word?x@127.0.0.1:9/v1",
        "http://127.0.0.1:9/v1?key=pass-word",
        "me:pass-word@127.0.0.1:9/v1",
        "http://me:pass-word@[::1/v1",
        "//me:pass-word@127.0.0.1:9/v1#pass-word",
    ],
)
def test_a_lane_does_not_show_credentials_of_its_url(url: str) -> None:
    shown = repr(Lane("m", base_url=url))
    assert "pass-word" not in shown
    assert "/v1" in shown
