"""Several endpoints a lane: replicas, fallbacks, hedges; and what is kept for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agentlanes.config import Secret, Settings
from agentlanes.errors import (
    ConfigError,
    ContextTooLong,
    DeadlineExceeded,
    EndpointDown,
    EndpointOverloaded,
    EndpointRefused,
    EndpointUnreachable,
    IncompleteReply,
    LaneError,
    ReplyBlocked,
)
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.lane import Lane, LaneRole, Timers
from agentlanes.lanes.policies.deadline import deadline_scope
from agentlanes.lanes.policies.settings import Resilience
from agentlanes.testing import EndpointServer, Fault, Latency, Reply, on_requests

QUICK = Timers(connect_s=2, first_token_s=0.3, progress_s=0.3, total_s=5)


def says(text: str, **fields: Any) -> Any:
    return lambda body: Reply(content=text, **fields)


@asynccontextmanager
async def two(
    first: Any, second: Any = None, *, faults: Any = None
) -> AsyncIterator[tuple[EndpointServer, EndpointServer]]:
    second = second or says("second")
    async with EndpointServer(first, faults=faults) as one, EndpointServer(second) as other:
        yield one, other


def model_of(lane: Lane, role: LaneRole = "act") -> LaneChatModel:
    return LaneChatModel.from_lane(lane, role, Settings())


async def drain(model: Any) -> str:
    return "".join([chunk.text async for chunk in model.astream("?")])


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="status", status=503),
        Fault(kind="reset"),
        Fault(kind="status", status=429, retry_after="900"),
        Fault(kind="stall", after_chunks=0),
        Fault(kind="no_done"),
    ],
)
@pytest.mark.parametrize("ask", ["ainvoke", "astream"])
async def test_a_fallback_answers_where_a_lane_is_down(fault: Fault, ask: str) -> None:
    async with two(says("first"), faults=on_requests(fault)) as (one, other):
        fallback = Lane("other", base_url=other.base_url)
        model = model_of(Lane("m", base_url=one.base_url, fallbacks=(fallback,), timers=QUICK))
        if ask == "astream" and fault.kind == "no_done":
            with pytest.raises(IncompleteReply):  # something was shown already
                await drain(model)
            assert not other.requests
        else:
            said = (await model.ainvoke("?")).text if ask == "ainvoke" else await drain(model)
            assert said == "second"
            assert [log.model for log in other.requests] == ["other"]
        await model.aclose()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(kind="status", status=401), EndpointRefused),
        (Fault(kind="insufficient_quota"), EndpointRefused),
        (Fault(kind="context_length"), ContextTooLong),
        (Fault(kind="refusal"), ReplyBlocked),
        (Fault(kind="content_filter"), ReplyBlocked),
    ],
)
async def test_no_other_lane_is_shopped_for(fault: Fault, error: type[LaneError]) -> None:
    async with two(says("first"), faults=on_requests(fault)) as (one, other):
        fallback = Lane("other", base_url=other.base_url)
        model = model_of(Lane("m", base_url=one.base_url, fallbacks=(fallback,)))
        with pytest.raises(error):
            await model.ainvoke("?")
        assert (len(one.requests), len(other.requests)) == (1, 0)
        await model.aclose()


async def test_fallbacks_are_asked_in_order_and_all_requests_are_counted() -> None:
    async with two(says("first"), faults=on_requests(Fault(kind="status"))) as (one, other):
        down = Lane("m2", base_url=one.base_url, max_attempts=2)
        last = Lane("m3", base_url=other.base_url)
        model = model_of(Lane("m1", base_url=one.base_url, fallbacks=(down, last)))
        message = await model.ainvoke("?")
        assert [log.model for log in one.requests] == ["m1"] * 3 + ["m2"] * 2
        assert message.response_metadata["agentlanes_times"]["attempts"] == 6
        await model.aclose()


async def test_an_open_breaker_makes_no_request_and_others_are_asked_at_once() -> None:
    async with two(says("first"), faults=on_requests(Fault(kind="status"))) as (one, other):
        alone = model_of(Lane("m", base_url=one.base_url, max_attempts=1))
        for _ in range(5):
            with pytest.raises(EndpointOverloaded):
                await alone.ainvoke("?")
        with pytest.raises(EndpointDown, match=r"left alone.*503") as caught:
            await alone.ainvoke("?")
        assert 0 < caught.value.retry_in_s <= 10
        assert len(one.requests) == 5
        helped = model_of(
            Lane("n", base_url=one.base_url, fallbacks=(Lane("o", base_url=other.base_url),))
        )
        for _ in range(3):
            assert (await helped.ainvoke("?")).text == "second"
        assert sum(log.model == "n" for log in one.requests) == 5
        await alone.aclose()
        await helped.aclose()


async def test_a_replica_takes_over_with_the_same_request() -> None:
    async with two(says("first"), faults=on_requests(Fault(kind="status"))) as (one, other):
        lane = Lane(
            "m", base_url=one.base_url, api_key="sk-own", replicas=(other.base_url,), temperature=0
        )
        model = model_of(lane, "reason")
        assert (await model.ainvoke("?")).text == "second"
        assert await drain(model) == "second"
        assert one.requests[0].body == other.requests[0].body
        assert (len(one.requests), len(other.requests)) == (2, 2)
        await model.aclose()


def test_the_environments_key_goes_to_no_replica() -> None:
    settings = Settings(openai_api_key=Secret("sk-env"), openai_base_url="http://a.test/v1")
    model = LaneChatModel.from_lane(Lane("m", replicas=("http://b.test/v1",)), "act", settings)
    assert [e.key for e in model._ways[0]] == [Secret("sk-env"), None]
    with pytest.raises(ConfigError, match="no HTTP URL"):
        LaneChatModel.from_lane(Lane("m", replicas=("b.test",)), "act", settings)


@pytest.mark.parametrize("role", ["act", "reason"])
@pytest.mark.parametrize("ask", ["ainvoke", "astream"])
async def test_only_the_act_lane_hedges(role: LaneRole, ask: str) -> None:
    slow = [False]

    def first(body: dict[str, Any]) -> Reply:
        return Reply(content="first", latency=Latency(first_token_s=2.0 if slow[0] else 0.0))

    async with two(first) as (one, other):
        settings = Resilience(hedge_least=5, hedge_ratio=1.0)
        lane = Lane("m", base_url=one.base_url, replicas=(other.base_url,), resilience=settings)
        model = model_of(lane, role)
        for _ in range(6):
            await model.ainvoke("?")
        slow[0] = True
        said = (await model.ainvoke("?")).text if ask == "ainvoke" else await drain(model)
        await one.wait_idle()
        assert said == ("second" if role == "act" else "first")
        assert len(other.requests) == (role == "act")
        assert one.requests[-1].aborted == (role == "act")
        assert model._ways[0][0].limiter.in_flight == model._ways[0][-1].limiter.in_flight == 0
        await model.aclose()


async def test_a_hedge_that_fails_leaves_the_first_alone() -> None:
    slow = [0.0]

    def first(body: dict[str, Any]) -> Reply:
        return Reply(content="first", latency=Latency(first_token_s=slow[0]))

    broken = says("second", fault=Fault(kind="status", status=400))
    async with two(first, broken) as (one, other):
        lane = Lane(
            "m",
            base_url=one.base_url,
            replicas=(other.base_url,),
            resilience=Resilience(hedge_least=5, hedge_ratio=1.0),
        )
        model = model_of(lane)
        for _ in range(6):
            await model.ainvoke("?")
        slow[0] = 0.5
        assert (await model.ainvoke("?")).text == "first"
        assert len(other.requests) == 1
        await model.aclose()


async def test_calls_wait_for_a_place_in_line() -> None:
    open_, most = [0], [0]

    async def script(body: dict[str, Any]) -> Reply:
        open_[0] += 1
        most[0] = max(most)
        most.append(open_[0])
        await asyncio.sleep(0.02)
        open_[0] -= 1
        return Reply(content="ok")

    async with EndpointServer(script) as server:
        lane = Lane(
            "m", base_url=server.base_url, resilience=Resilience(limit_start=2, limit_max=2)
        )
        model = model_of(lane)
        messages = await asyncio.gather(*(model.ainvoke(str(n)) for n in range(12)))
        assert max(most) == 2
        waits = [m.response_metadata["agentlanes_times"]["queue_ms"] for m in messages]
        assert waits[:2] == [0, 0]
        assert min(waits[2:]) > 0
        assert waits[-1] == max(waits)
        with (
            deadline_scope(asyncio.get_running_loop().time() + 0.01),
            pytest.raises(DeadlineExceeded) as caught,
        ):
            await model.ainvoke("?")
        assert caught.value.of == "run"
        assert model._ways[0][0].breaker.closed
        await model.aclose()


def test_without_a_loop_fallbacks_and_breakers_work_too() -> None:
    plan = on_requests(Fault(kind="status"))
    one, other = EndpointServer(says("first"), faults=plan), EndpointServer(says("second"))
    with one.serve_in_thread(), other.serve_in_thread():
        fallback = Lane("other", base_url=other.base_url)
        model = model_of(Lane("m", base_url=one.base_url, fallbacks=(fallback,)))
        assert model.invoke("?").text == "second"
        assert "".join(chunk.text for chunk in model.stream("?")) == "second"
        assert model.invoke("?").text == "second"
        assert (len(one.requests), len(other.requests)) == (5, 3)
        assert not model._ways[0][0].breaker.closed
        asyncio.run(model.aclose())


async def test_nobody_is_there_at_all() -> None:
    async with two(says("first")) as (one, other):
        urls = one.base_url, other.base_url
    model = model_of(Lane("m", base_url=urls[0], replicas=urls[1:]))
    with pytest.raises(EndpointUnreachable):
        await model.ainvoke("?")
    await model.aclose()
