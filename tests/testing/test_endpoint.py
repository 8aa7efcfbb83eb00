from __future__ import annotations

import asyncio
import doctest
import importlib
import json
import socket
import subprocess
import sys
import threading

import httpx2
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from agentlanes.testing import EndpointServer, Fault, Reply, on_requests
from agentlanes.testing.reply import split_text

ASK = [{"role": "user", "content": "How is the weather in Zürich?"}]
CITY = {"city": "Zürich", "days": [1, 2, 3], "note": "日本語 and 🌦"}


def client_of(server: EndpointServer) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=server.base_url, api_key="sk-test", max_retries=0)


def rich(body: dict) -> Reply:
    return Reply(
        content="Looking it up.",
        reasoning="The user asks for the weather.",
        tool_calls=[("get_weather", CITY), ("raw", '{"not": json')],
        service_tier="priority",
        model="act-2026-10-01",
    )


async def test_whole_reply_reaches_the_sdk(nothing_left: None) -> None:
    async with EndpointServer({"act": rich}) as server, client_of(server) as client:
        done = await client.chat.completions.create(model="act", messages=ASK)
    message = done.choices[0].message
    assert message.content == "Looking it up."
    assert message.model_extra == {"reasoning_content": "The user asks for the weather."}
    calls = [(c.function.name, c.function.arguments) for c in message.tool_calls]
    assert json.loads(calls[0][1]) == CITY
    assert calls[1] == ("raw", '{"not": json')
    assert len({c.id for c in message.tool_calls}) == 2
    assert done.choices[0].finish_reason == "tool_calls"
    assert (done.model, done.service_tier) == ("act-2026-10-01", "priority")
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens
    assert done.usage.completion_tokens_details.reasoning_tokens > 0
    (log,) = server.requests
    assert (log.model, log.stream, log.status, log.aborted) == ("act", False, 200, False)
    assert log.body["messages"] == ASK
    assert log.t_start <= log.t_end


async def test_stream_carries_the_same_reply_in_pieces(nothing_left: None) -> None:
    async with EndpointServer({"act": rich}) as server, client_of(server) as client:
        whole = await client.chat.completions.create(model="act", messages=ASK)
        stream = await client.chat.completions.create(
            model="act", messages=ASK, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert server.requests[1].stream
    assert chunks[0].choices[0].delta.role == "assistant"
    deltas = [c.choices[0].delta for c in chunks if c.choices]
    assert "".join(d.content or "" for d in deltas) == "Looking it up."
    thoughts = [(d.model_extra or {}).get("reasoning_content") or "" for d in deltas]
    assert "".join(thoughts) == "The user asks for the weather."
    assert sum(bool(thought) for thought in thoughts) > 1
    names, ids, pieces = {}, {}, {0: [], 1: []}
    for part in [part for d in deltas for part in d.tool_calls or []]:
        if part.id:
            names[part.index], ids[part.index] = part.function.name, part.id
        if part.function.arguments:
            pieces[part.index].append(part.function.arguments)
    expected = whole.choices[0].message.tool_calls
    assert [(names[i], ids[i], "".join(pieces[i])) for i in (0, 1)] == [
        (c.function.name, c.id, c.function.arguments) for c in expected
    ]
    assert all(len(p) >= 3 for p in pieces.values())
    reasons = [c.choices[0].finish_reason for c in chunks if c.choices]
    assert [r for r in reasons if r] == ["tool_calls"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage


async def test_raw_stream_ends_with_done_and_has_usage_only_when_asked() -> None:
    async with EndpointServer({"m": lambda body: Reply(content="hi")}) as server:
        url = f"{server.base_url}/chat/completions"
        async with httpx2.AsyncClient() as http:
            answer = await http.post(url, json={"model": "m", "messages": ASK, "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = answer.text.strip().split("\n\n")
    assert lines[-1] == "data: [DONE]"
    assert all("usage" not in json.loads(line[6:]) for line in lines[:-1])


@pytest.mark.parametrize("at_least", [1, 3])
@pytest.mark.parametrize("text", ["", "a", "{}", "abc", "x" * 7, "y" * 5000])
def test_pieces_join_to_the_text(text: str, at_least: int) -> None:
    pieces = split_text(text, at_least)
    assert "".join(pieces) == text
    assert len(pieces) >= min(at_least, len(text))
    assert len(pieces) <= 300


async def test_models_are_found_by_name_then_longest_prefix_and_listed() -> None:
    def named(name: str):  # type: ignore[no-untyped-def]
        return lambda body: Reply(content=name)

    models = {"a/*": named("a/*"), "a/b/*": named("a/b/*"), "a/b/c": named("exact")}
    async with EndpointServer(models) as server, client_of(server) as client:
        said = {}
        for model in ("a/b/c", "a/b/d", "a/x"):
            done = await client.chat.completions.create(model=model, messages=ASK)
            said[model] = done.choices[0].message.content
        with pytest.raises(openai.NotFoundError) as refused:
            await client.chat.completions.create(model="b", messages=ASK)
        listed = [model.id async for model in client.models.list()]
        with pytest.raises(openai.NotFoundError):
            await client.embeddings.create(model="a/x", input="text")
    assert said == {"a/b/c": "exact", "a/b/d": "a/b/*", "a/x": "a/*"}
    assert refused.value.code == "model_not_found"
    assert listed == list(models)


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"model": "m"}', b'{"messages": []}', b"\xff"])
async def test_requests_that_are_not_completions_get_400(data: bytes) -> None:
    async with EndpointServer(lambda body: Reply()) as server, httpx2.AsyncClient() as http:
        answer = await http.post(f"{server.base_url}/chat/completions", content=data)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_a_script_that_raises_is_loud() -> None:
    def broken(body: dict) -> Reply:
        raise KeyError("missing")

    models = {"broken": broken, "wrong": lambda body: "text"}
    async with EndpointServer(models) as server:  # type: ignore[arg-type]
        client = AsyncOpenAI(base_url=server.base_url, api_key="x", max_retries=3)
        async with client:
            with pytest.raises(openai.InternalServerError, match="KeyError"):
                await client.chat.completions.create(model="broken", messages=ASK)
            with pytest.raises(openai.InternalServerError, match="gives a Reply"):
                await client.chat.completions.create(model="wrong", messages=ASK)
    assert [type(log.error) for log in server.requests] == [KeyError, TypeError]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_hundred_requests_are_open_at_once(stream: bool, nothing_left: None) -> None:
    inside, everyone = 0, asyncio.Event()

    async def script(body: dict) -> Reply:
        nonlocal inside
        inside += 1
        if inside == 100:
            everyone.set()
        await everyone.wait()
        return Reply(content=body["messages"][0]["content"])

    async with EndpointServer(script) as server, client_of(server) as client:

        async def ask(number: int) -> str:
            message = [{"role": "user", "content": f"number {number}"}]
            if not stream:
                done = await client.chat.completions.create(model="m", messages=message)
                return done.choices[0].message.content
            parts = await client.chat.completions.create(model="m", messages=message, stream=True)
            return "".join([c.choices[0].delta.content or "" async for c in parts])

        said = await asyncio.gather(*(ask(number) for number in range(100)))
    assert said == [f"number {number}" for number in range(100)]
    assert {log.nth for log in server.requests} == set(range(1, 101))


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_is_noticed(stream: bool, nothing_left: None) -> None:
    arrived, ended = asyncio.Event(), asyncio.Event()

    async def script(body: dict) -> Reply:
        if stream:
            return Reply(content="word " * 20, fault=Fault(kind="stall", after_chunks=3))
        arrived.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return Reply()

    async with EndpointServer(script) as server, client_of(server) as client:

        async def ask() -> None:
            done = await client.chat.completions.create(model="m", messages=ASK, stream=stream)
            async for _ in done:
                arrived.set()

        asking = asyncio.create_task(ask())
        await arrived.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await server.wait_idle()
        (log,) = server.requests
        assert log.aborted
        assert log.t_end is not None
        assert log.status == (200 if stream else None)
        assert ended.is_set() != stream


async def test_closing_ends_open_answers_and_tells_them_from_aborted_ones(
    nothing_left: None,
) -> None:
    all_stalled = asyncio.Event()
    plan = on_requests(Fault(kind="stall"), model="m")

    def script(body: dict) -> Reply:
        if len(server.requests) == 3:
            all_stalled.set()
        return Reply(content="never")

    server = EndpointServer(script, faults=plan)
    async with server:
        client = client_of(server)
        asking = [
            asyncio.create_task(
                client.chat.completions.create(model="m", messages=ASK, stream=stream)
            )
            for stream in (False, False, True)
        ]
        await all_stalled.wait()
        port = int(server.base_url.rsplit(":", 1)[1].split("/")[0])
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert [isinstance(r, openai.APIConnectionError) for r in results[:2]] == [True, True]
    if not isinstance(results[2], BaseException):
        with pytest.raises((httpx2.HTTPError, openai.APIError)):
            [chunk async for chunk in results[2]]
    await client.close()
    assert not any(log.aborted for log in server.requests)
    assert all(log.t_end is not None for log in server.requests)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    with pytest.raises(RuntimeError, match="no address"):
        _ = server.base_url
    async with server, client_of(server) as client:
        done = await client.chat.completions.create(model="other", messages=ASK)
    assert done.choices[0].message.content == "never"


async def test_an_idle_kept_alive_connection_does_not_hold_up_the_end(nothing_left: None) -> None:
    before = asyncio.all_tasks()
    async with httpx2.AsyncClient() as http:
        async with EndpointServer(lambda body: Reply()) as server:
            for _ in range(2):
                url = f"{server.base_url}/chat/completions"
                assert (await http.post(url, json={"model": "m", "messages": []})).is_success
        # The client and its connection are still there; nothing of the server is.
        assert asyncio.all_tasks() == before


def test_a_thread_of_its_own_serves_both_kinds_of_client() -> None:
    homes = set()

    async def script(body: dict) -> Reply:
        homes.add(threading.current_thread().name)
        return Reply(content="pong")

    before = threading.active_count()
    server = EndpointServer(script)
    for _ in range(2):
        with server.serve_in_thread() as same:
            assert same is server
            with OpenAI(base_url=server.base_url, api_key="x", max_retries=0) as client:
                done = client.chat.completions.create(model="m", messages=ASK)
            assert done.choices[0].message.content == "pong"

            async def ask() -> str:
                async with client_of(server) as client:
                    parts = await client.chat.completions.create(
                        model="m", messages=ASK, stream=True
                    )
                    text = "".join([c.choices[0].delta.content or "" async for c in parts])
                await server.wait_idle()
                return text

            assert asyncio.run(ask()) == "pong"
    assert homes == {"agentlanes-endpoint"}
    assert threading.active_count() == before
    assert len(server.requests) == 4


def test_a_thread_ends_when_the_block_raises_and_while_an_answer_is_open() -> None:
    before = threading.active_count()
    server = EndpointServer(lambda body: Reply(), faults=on_requests(Fault(kind="stall")))
    refused: list[Exception] = []

    def ask(url: str) -> None:
        with OpenAI(base_url=url, api_key="x", max_retries=0) as client:
            try:
                client.chat.completions.create(model="m", messages=ASK)
            except openai.APIConnectionError as error:
                refused.append(error)

    def block() -> None:
        with server.serve_in_thread():
            asking = threading.Thread(target=ask, args=(server.base_url,))
            asking.start()
            while not server.requests:
                asking.join(0.01)
            raise LookupError("in the block")

    with pytest.raises(LookupError, match="in the block"):
        block()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(10)
    assert len(refused) == 1
    assert threading.active_count() == before


async def test_a_port_in_use_is_the_callers_error(nothing_left: None) -> None:
    async with EndpointServer(lambda body: Reply()) as first:
        port = int(first.base_url.rsplit(":", 1)[1].split("/")[0])
        second = EndpointServer(lambda body: Reply(), port=port)
        with pytest.raises(OSError, match="in use"):
            await second.__aenter__()
        with pytest.raises(OSError, match="in use"), second.serve_in_thread():
            pass
        with pytest.raises(RuntimeError, match="running already"):
            await first.__aenter__()


# The package


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    code = "import sys, agentlanes.testing as t; print([m for m in ('aiohttp', 'langchain_core')"
    code += " if m in sys.modules], sorted(t.__all__) == t.__dir__())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[0] == "[] True"


def test_every_public_name_is_there_and_no_other() -> None:
    package = importlib.import_module("agentlanes.testing")
    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing


@pytest.mark.parametrize("module", ["endpoint", "faults", "latency", "reply", "scripted"])
def test_examples_in_the_docstrings_run(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"agentlanes.testing.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
