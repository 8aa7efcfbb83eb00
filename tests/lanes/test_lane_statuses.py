from __future__ import annotations

from typing import Any

import openai
import pytest

from agentlanes.config import Secret
from agentlanes.errors import (
    EndpointOverloaded,
    EndpointRefused,
    ToolCallingUnsupported,
)
from agentlanes.lanes.retry import retry_after_s
from agentlanes.lanes.translate import Asked, translate
from agentlanes.testing import EndpointServer, Fault, Reply, on_requests
from tests.lanes.asking import drain, get_weather, model_at, ok


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
        (
            {
                "retry-after": "Thu, 01 Jan 1970 01:00:05 GMT",
                "date": "Thu, 01 Jan 1970 01:00:00 GMT",
            },
            5.0,
        ),
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
