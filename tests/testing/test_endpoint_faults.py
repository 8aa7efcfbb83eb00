from __future__ import annotations

import json

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from agentlanes.testing import EndpointServer, Fault, Reply, on_requests

ASK = [{"role": "user", "content": "How is the weather in Zürich?"}]


def client_of(server: EndpointServer) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=server.base_url, api_key="sk-test", max_retries=0)


async def collect(client: AsyncOpenAI, stream: bool, model: str = "m") -> list:
    done = await client.chat.completions.create(model=model, messages=ASK, stream=stream)
    return [chunk async for chunk in done] if stream else [done]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "error"), [(429, openai.RateLimitError), (503, openai.InternalServerError)]
)
async def test_status_fault_by_place(stream: bool, status: int, error: type[Exception]) -> None:
    plan = on_requests(Fault(kind="status", status=status, retry_after="7"), 1, 3, model="m*")
    answered = []

    def script(body: dict) -> Reply:
        answered.append(body)
        return Reply(content="fine")

    async with EndpointServer(script, faults=plan) as server, client_of(server) as client:
        await collect(client, stream, "other")
        for refused in (True, False, True, False):
            if refused:
                with pytest.raises(error) as caught:
                    await collect(client, stream)
                assert caught.value.response.headers["retry-after"] == "7"
            else:
                await collect(client, stream)
    assert [log.status for log in server.requests] == [200, status, 200, status, 200]
    assert len(answered) == 3


async def test_status_and_headers_by_reply() -> None:
    quota = {"message": "no money", "type": "insufficient_quota", "code": "insufficient_quota"}
    reply = Reply(status=429, error=quota, headers={"retry-after-ms": "20"})
    async with EndpointServer(lambda body: reply) as server, client_of(server) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            await collect(client, stream=False)
    assert caught.value.code == "insufficient_quota"
    assert caught.value.response.headers["retry-after-ms"] == "20"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("close", "cause"), [("rst", httpx2.ReadError), ("fin", httpx2.HTTPError)])
async def test_reset_before_headers(
    stream: bool, close: str, cause: type[Exception], nothing_left: None
) -> None:
    fault = Fault(kind="reset", close=close)  # type: ignore[arg-type]
    plan = on_requests(fault, 1)
    async with (
        EndpointServer(lambda body: Reply(content="ok"), faults=plan) as server,
        client_of(server) as client,
    ):
        with pytest.raises(openai.APIConnectionError) as caught:
            await collect(client, stream)
        await collect(client, stream)
    assert isinstance(caught.value.__cause__, cause)
    assert [(log.status, log.aborted) for log in server.requests] == [(None, False), (200, False)]
    assert server.requests[0].fault is fault


@pytest.mark.parametrize("close", ["rst", "fin"])
@pytest.mark.parametrize("stream", [False, True])
async def test_cut_in_the_middle(stream: bool, close: str, nothing_left: None) -> None:
    fault = Fault(kind="cut", after_chunks=4, close=close)  # type: ignore[arg-type]
    script = lambda body: Reply(content="word " * 50, fault=fault)  # noqa: E731
    seen = []
    async with EndpointServer(script) as server, httpx2.AsyncClient() as http:
        body = {"model": "m", "messages": ASK, "stream": stream}
        url = f"{server.base_url}/chat/completions"

        async def read() -> None:
            async with http.stream("POST", url, json=body) as answer:
                async for line in answer.aiter_lines():
                    seen.append(line)

        with pytest.raises(httpx2.TransportError):
            await read()
    assert server.requests[0].status == 200
    assert not server.requests[0].aborted
    assert "data: [DONE]" not in seen
    if stream:
        assert sum(line.startswith("data: ") for line in seen) == 4


@pytest.mark.parametrize("stream", [False, True])
async def test_cut_reaches_the_sdk_as_an_error(stream: bool) -> None:
    reply = Reply(content="word " * 50, fault=Fault(kind="cut"))
    async with EndpointServer(lambda body: reply) as server, client_of(server) as client:
        with pytest.raises((openai.APIConnectionError, httpx2.TransportError)):
            await collect(client, stream)


@pytest.mark.parametrize("stream", [False, True])
async def test_missing_finish_reason(stream: bool) -> None:
    reply = Reply(tool_calls=[("f", {"a": 1})], fault=Fault(kind="no_finish"))
    async with EndpointServer(lambda body: reply) as server, client_of(server) as client:
        chunks = await collect(client, stream)
    assert [c.choices[0].finish_reason for c in chunks] == [None] * len(chunks)


async def test_malformed_json_and_html() -> None:
    kinds = {"bad": Fault(kind="bad_json", after_chunks=1), "page": Fault(kind="html")}
    script = lambda body: Reply(content="text", fault=kinds[body["model"]])  # noqa: E731
    async with EndpointServer(script) as server, httpx2.AsyncClient() as http:
        url = f"{server.base_url}/chat/completions"
        for stream in (False, True):
            body = {"model": "bad", "messages": ASK, "stream": stream}
            answer = await http.post(url, json=body)
            assert answer.status_code == 200
            text = answer.text.split("\n\n")[1].removeprefix("data: ") if stream else answer.text
            assert text.startswith("{")
            with pytest.raises(json.JSONDecodeError):
                json.loads(text)
            page = await http.post(url, json={**body, "model": "page"})
            assert page.headers["content-type"].startswith("text/html")
            assert (page.status_code, page.text[:2]) == (200, "<!")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_stall_ends_by_itself_or_never(stream: bool, nothing_left: None) -> None:
    stalls = {
        "short": Fault(kind="stall", stall_s=0.05),
        "early": Fault(kind="stall", stall_s=0.05, after_chunks=0),
        "ever": Fault(kind="stall"),
    }
    script = lambda body: Reply(content="word " * 9, fault=stalls[body["model"]])  # noqa: E731
    async with EndpointServer(script) as server, client_of(server) as client:
        for model in ("short", "early"):
            chunks = await collect(client, stream, model)
            assert chunks[-1].choices[0].finish_reason == "stop"
        with pytest.raises((openai.APITimeoutError, httpx2.TimeoutException)):
            await collect(client.with_options(timeout=0.2), stream, "ever")
        await server.wait_idle()
    assert [log.aborted for log in server.requests] == [False, False, True]
    assert all(log.t_end - log.t_start >= 0.045 for log in server.requests)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_with_status_200(stream: bool) -> None:
    reply = Reply(error="out of memory")
    async with EndpointServer(lambda body: reply) as server, httpx2.AsyncClient() as http:
        url = f"{server.base_url}/chat/completions"
        answer = await http.post(url, json={"model": "m", "messages": ASK, "stream": stream})
    assert answer.status_code == 200
    text = answer.text.strip().split("\n\n")[-2].removeprefix("data: ") if stream else answer.text
    assert json.loads(text)["error"]["message"] == "out of memory"
