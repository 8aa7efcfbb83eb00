from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agentlanes.config import Settings
from agentlanes.lanes.doctor import Examination, Finding, examine, suggestion
from agentlanes.lanes.doctor.checks import quicker
from agentlanes.lanes.doctor.facts import Facts
from agentlanes.lanes.lane import Lane
from agentlanes.testing import EndpointServer, Fault, Latency, Reply, StandIn, on_requests

HELLO = {"role": "assistant", "content": "ready"}


def finding(found: Examination, check: str) -> Finding:
    return next(each for each in found.findings if each.check == check)


async def look(lane: Lane, **options: Any) -> Examination:
    options.setdefault("calls", 1)
    options.setdefault("settings", Settings())
    return await examine(lane, "act", **options)


async def test_a_healthy_endpoint() -> None:
    slow_start = Latency(first_token_s=0.02, token_s=0.001)
    model = StandIn(reasoning=True)
    async with EndpointServer({"act": model}, latency=slow_start) as server:
        found = await look(Lane("act", base_url=server.base_url), calls=2)
        asked = len(server.requests)
    assert [f.level for f in found.findings] == ["ok"] * len(found.findings)
    assert found.healthy
    facts = found.facts
    assert facts.apis == {"chat": True, "responses": True}
    assert facts.streams
    assert facts.usage
    assert facts.reasoning
    assert facts.schema
    assert facts.native_tools
    assert facts.json_tools
    assert facts.cached_tokens is not None
    assert facts.cached_tokens > 1_000
    assert len(facts.first_ms) == len(facts.total_ms) == 2
    assert suggestion(found) == f"act = Lane('act', base_url='{server_url(found)}')"
    assert asked == 9


def server_url(found: Examination) -> str:
    assert found.lane.base_url is not None
    return found.lane.base_url


def small(body: dict[str, Any]) -> Reply:
    """Calls tools in words only, keeps to no schema unless it is one of tools, reports timings."""
    form = (body.get("response_format") or {}).get("json_schema")
    timings = {"timings": {"prompt_ms": 1.0}}
    if form and form["name"] == "reply":
        call = {"tool": "get_weather", "args": {"city": "Paris"}}
        return Reply(content=json.dumps(call), reports=timings)
    if "tools" in body:
        return Reply(content='{"name": "get_weather"}', reports=timings)
    if "one JSON object" in str(body["messages"][0]["content"]):
        call = {"tool": "get_weather", "args": {"city": "Paris"}}
        return Reply(content=json.dumps(call), reports=timings)
    return Reply(content="Hello there.", reports=timings)


async def test_a_weak_model_is_told_what_to_use() -> None:
    async with EndpointServer({"qwen": small}) as server:
        found = await look(Lane("act", base_url=server.base_url), any_model=True)
    assert not found.healthy
    assert finding(found, "model").found == "qwen, the only one"
    assert finding(found, "tool calls").advice == 'use Lane(tool_format="json")'
    assert finding(found, "JSON schema").advice == 'use Lane(structured="prompt")'
    assert "timings" in finding(found, "server reports").found
    line = suggestion(found)
    assert "server='llama.cpp'" in line
    assert "tool_format='json'" in line
    assert "structured='prompt'" in line
    async with EndpointServer({"qwen": small}) as server:
        again = await look(
            Lane(
                "qwen",
                base_url=server.base_url,
                tool_format="json",
                structured="prompt",
            )
        )
    assert again.healthy


async def test_an_api_that_is_not_there() -> None:
    async with EndpointServer({"act": StandIn()}, apis=["chat"]) as server:
        found = await look(Lane("act", base_url=server.base_url, api="responses"))
    assert finding(found, "API").level == "problem"
    assert finding(found, "API").advice == 'use Lane(api="chat")'
    assert found.facts.native_tools
    assert "api=" not in suggestion(found)


async def test_nobody_is_there() -> None:
    found = await look(Lane("act", base_url="http://127.0.0.1:9/v1"), limit_s=5)
    (only,) = found.findings
    assert (only.check, only.level) == ("reachable", "problem")
    assert only.advice == "check that the endpoint is up and that base_url is right"
    assert suggestion(found).startswith("# act")


async def test_a_wrong_key_is_said_and_never_shown() -> None:
    key = "sk-proj-secret-0123456789"
    fault = Fault(kind="status", status=401)
    async with EndpointServer({"act": StandIn()}, faults=on_requests(fault)) as server:
        found = await look(Lane("act", base_url=server.base_url, api_key=key))
    assert finding(found, "answers").advice == "check the lane's key"
    assert finding(found, "tool calls").level == "skipped"
    shown = repr(found) + suggestion(found, key_name="AGENTLANES_ACT_KEY")
    assert key not in shown


async def test_a_key_that_the_endpoint_echoes_is_not_shown() -> None:
    key = "sk-proj-secret-0123456789"

    def echo(body: dict[str, Any]) -> Reply:
        return Reply(status=403, error=f"the key {key} may not")

    async with EndpointServer({"act": echo}) as server:
        found = await look(Lane("act", base_url=server.base_url, api_key=key))
    assert key not in repr(found)
    assert "***" in finding(found, "answers").found


async def test_it_is_bounded_in_time() -> None:
    never = Latency(first_token_s=600)
    async with EndpointServer({"act": StandIn()}, latency=never) as server:
        found = await look(Lane("act", base_url=server.base_url), limit_s=0.5)
        await server.wait_idle()
        assert all(log.aborted for log in server.requests)
    levels = {f.check: f.level for f in found.findings}
    assert "problem" in levels.values()
    assert levels["prompt cache"] == "skipped"


async def test_faults_now_and_then_do_not_make_findings() -> None:
    faults = on_requests(Fault(kind="status", status=503), 1, 4)
    async with EndpointServer({"act": StandIn()}, faults=faults) as server:
        found = await look(Lane("act", base_url=server.base_url))
    assert found.healthy


async def test_settings_that_cannot_be_are_a_finding() -> None:
    found = await look(Lane("gpt-5-nano"), settings=Settings())
    assert finding(found, "settings").level == "problem"


@asynccontextmanager
async def flat_endpoint() -> AsyncIterator[str]:
    """An endpoint that answers everything with one whole completion, streamed or not, and 404s."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = [line for line in head.splitlines() if line.lower().startswith("content-length")]
        if length:
            await reader.readexactly(int(length[0].split(":")[1]))
        ok = head.startswith("POST /v1/chat/completions")
        choice = {"index": 0, "message": HELLO, "finish_reason": "stop"}
        body = json.dumps({"model": "m", "choices": [choice]} if ok else {"error": "no"}).encode()
        status = "200 OK" if ok else "404 Not Found"
        writer.write(
            f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def test_an_endpoint_that_does_the_least() -> None:
    async with flat_endpoint() as url:
        found = await look(Lane("m", base_url=url))
    assert "lists no models" in finding(found, "reachable").found
    assert finding(found, "streaming").level == "note"
    assert finding(found, "usage").level == "note"
    assert found.facts.apis == {"chat": True, "responses": False}
    assert finding(found, "tool calls").level == "problem"
    assert "extra_body={'stream': False}" in suggestion(found)


@pytest.mark.parametrize(
    ("first_ms", "said"), [(100.0, False), (9_000.0, True)], ids=["usual", "slow"]
)
def test_slow_endpoints_are_given_longer_timers(first_ms: float, said: bool) -> None:
    facts = Facts(model="m", apis={"chat": True}, first_ms=[first_ms], total_ms=[first_ms])
    found = Examination(role="act", lane=Lane("m"), findings=(), facts=facts)
    assert ("timers=Timers(" in suggestion(found)) is said


def test_what_counts_as_quicker() -> None:
    assert quicker(2_400.0, 150.0)
    assert not quicker(20.0, 10.0)
    assert not quicker(2_400.0, 2_000.0)
    assert not quicker(None, 10.0)
