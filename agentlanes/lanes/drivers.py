"""The I/O of a lane call in an event loop. Thin: `LaneCall` and `Route` decide everything.

A call goes through one lane after the other (`fallbacks`), in each through one attempt after the
other (tenacity), each at an endpoint that may be asked (`_enter`), perhaps at two (`_open_hedged`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

from langchain_core.messages import AIMessage, AIMessageChunk
from tenacity import AsyncRetrying

from agentlanes.errors import DeadlineExceeded, LaneError
from agentlanes.lanes.chunks import Chunks, whole_chunk
from agentlanes.lanes.endpoint import Endpoint, Visit
from agentlanes.lanes.lane_call import LaneCall
from agentlanes.lanes.policies.deadline import Patient
from agentlanes.lanes.policies.pulse import Pulse
from agentlanes.lanes.responses import following
from agentlanes.lanes.retry import AttemptFailed, Shows
from agentlanes.lanes.route import Route
from agentlanes.lanes.sse import EventReader
from agentlanes.lanes.stream import Delta
from agentlanes.lanes.whole import WholeBody

if TYPE_CHECKING:
    import httpx2

__all__ = ["Opened", "chunks", "reply"]

_DRAIN_S = 0.1
_T = TypeVar("_T")

Opened = tuple[LaneCall, AsyncGenerator[Delta, None], "Delta | None"]
"""A reply that has begun: its call, the rest of it, and what came first."""


async def reply(routes: Iterable[Route]) -> AIMessage:
    """Make the call and give the complete reply.

    Args:
        routes: The lane's own, and those of its fallbacks; a later one is taken from it only when
            the one before it has failed.

    Raises:
        LaneError: No usable reply within the attempts and timers of the lanes.
    """

    async def read_all(route: Route) -> AIMessage:
        call, source, delta = await _open_hedged(route)
        async with aclosing(source):
            while delta is not None:
                delta = await anext(source, None)
        assert call.result is not None
        return call.result

    return await _first(routes, read_all)


async def chunks(routes: Iterable[Route]) -> AsyncGenerator[AIMessageChunk, None]:
    """Make the call and give the reply as it comes; the last chunk holds usage and times.

    Once a chunk was given nothing is tried again.

    Raises:
        LaneError: As in `reply`. What was given before it is void.
    """

    async def open_(route: Route) -> Opened | AIMessage:
        call, source, delta = await _open_hedged(route)
        if call.surfaces:
            return call, source, delta
        async with aclosing(source):
            while delta is not None:
                delta = await anext(source, None)
        assert call.result is not None
        return call.result

    opened = await _first(routes, open_)
    if isinstance(opened, AIMessage):
        yield whole_chunk(opened)
        return
    call, source, delta = opened
    writer = Chunks(call.body["model"])
    error: LaneError | None = None
    try:
        async with aclosing(source):
            while delta is not None:
                with call.translated():
                    chunk = writer.of(delta)
                if chunk is not None:
                    yield chunk
                    call.resumed(_loop_time())
                delta = await anext(source, None)
    except AttemptFailed as failed:
        error = failed.error
    if error is not None:
        raise error
    assert call.result is not None
    yield writer.last(call.result)


async def _first(routes: Iterable[Route], attempt: Callable[[Route], Awaitable[_T]]) -> _T:
    """Give what the first lane gives that is not down."""
    last: AttemptFailed | None = None
    for route in routes:
        try:
            return await AsyncRetrying(**route.policy())(attempt, route)
        except AttemptFailed as failed:
            last = failed
        if not last.elsewhere:
            break
    assert last is not None
    raise last.error


async def _open_hedged(route: Route) -> Opened:
    """Make an attempt, at a second endpoint too if the first takes too long to begin."""
    after_s = route.hedge_after_s()
    if after_s is None:
        return await _open(route)
    tasks = [asyncio.create_task(_open(route))]
    winner: asyncio.Task[Opened] | None = None
    try:
        await asyncio.wait(tasks, timeout=after_s)
        if not tasks[0].done() and route.may_hedge():
            tasks.append(asyncio.create_task(_open(route, hedge=True)))
        left = set(tasks)
        while left and winner is None:
            done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            winner = next((t for t in tasks if t in done and t.exception() is None), None)
        return (winner or tasks[0]).result()
    finally:
        await _end([task for task in tasks if task is not winner])


async def _end(tasks: list[asyncio.Task[Opened]]) -> None:
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(ended, BaseException):
            await ended[1].aclose()


async def _open(route: Route, *, hedge: bool = False) -> Opened:
    endpoint, call = route.next(hedge=hedge)
    source = _read(endpoint, call, route)
    return call, source, await anext(source, None)


async def _read(endpoint: Endpoint, call: LaneCall, route: Route) -> AsyncGenerator[Delta, None]:
    """Make one request at an endpoint; `call.result` is the reply once it has ended."""
    visit = await _enter(endpoint, call, route)
    shows: Shows = "nothing"
    failure: AttemptFailed | None = None
    begun = False
    pulse = Pulse(endpoint.timers.connect_s)
    try:
        route.begin(call)
        with call.translated():
            deltas = (
                following.read(endpoint.clients, call)
                if call.background is not None
                else _request(endpoint, call)
            )
            async with aclosing(deltas):
                async for delta in deltas:
                    if not begun:
                        begun = True
                        pulse.stop()
                        endpoint.first.add(_loop_time() - visit.since)
                    yield delta
            now = _loop_time()
            call.result = call.message(now)
        endpoint.whole.add(now - visit.since)
        shows = "answered"
    except AttemptFailed as failed:
        if failed.connecting and pulse.still_s > endpoint.timers.connect_s / 2:
            failed.excuse()
        failure, shows = failed, failed.shows
        route.failed(call, endpoint, failed)
        raise
    finally:
        pulse.stop()
        now = _loop_time()
        if not begun:
            endpoint.waited(now - visit.since, shows)
        endpoint.leave(visit, now, shows, failure)


async def _enter(endpoint: Endpoint, call: LaneCall, route: Route) -> Visit:
    """Wait for a place at an endpoint: for its rate limit, its breaker, and its limiter."""
    began = now = _loop_time()
    waited = False
    while True:
        if waited:
            now = _loop_time()
        waited = True
        hold_s = endpoint.hold_s(now)
        if hold_s:
            if not route.fits(hold_s, endpoint):
                raise endpoint.held_too_long(now)
            await asyncio.sleep(hold_s)
            continue
        entry = endpoint.breaker.enter(now)
        if entry == "shut":
            raise endpoint.down(now)
        if entry == "wait":
            if not await endpoint.news.wait(route.until):
                raise endpoint.down(now)
            continue
        if entry == "probe":
            endpoint.limiter.take(force=True)
        elif not endpoint.limiter.take():
            if not await endpoint.limiter.queue(route.until):
                raise _no_place(endpoint, call)
            now = _loop_time()
            if not endpoint.breaker.closed:
                endpoint.limiter.give_back(now, since=now, ok=False)
                continue
        call.queued_ms += (now - began) * 1000
        return Visit(now, entry == "probe")


def _no_place(endpoint: Endpoint, call: LaneCall) -> AttemptFailed:
    if call.limit is not None and call.limit.at is not None and _loop_time() >= call.limit.at:
        return AttemptFailed(call.limit.error(), shows="nothing", sent=False)
    error = DeadlineExceeded(
        f"{endpoint.name} had no place for another request in time: {endpoint.limiter.limit} are "
        "under way, as many as it takes without refusing or being late; ask less at once, or "
        "give the lane replicas or fallbacks",
        model=endpoint.lane.model,
    )
    return AttemptFailed(error, shows="slow", sent=False)


async def _request(endpoint: Endpoint, call: LaneCall) -> AsyncGenerator[Delta, None]:
    """Send the request and read what comes."""
    import openai

    client = await endpoint.clients.acquire()
    blocked_s = endpoint.settings.blocked_loop_s
    try:
        async with Patient(call.deadline, blocked_s=blocked_s):
            stream = await client.post(
                call.path,
                cast_to=object,
                body=call.body,
                stream=True,
                stream_cls=openai.AsyncStream[object],
            )
        response = stream.response
        endpoint.answered(response.headers, _loop_time())
        try:
            async with aclosing(response.aiter_bytes()) as pieces:
                if not call.streams:
                    await _read_whole(response, pieces, call, blocked_s)
                    return
                async for delta in _read_events(response, pieces, call, blocked_s):
                    yield delta
        finally:
            await response.aclose()
    except TimeoutError:
        overdue = call.overdue(_loop_time())
    except openai.APIStatusError as error:
        endpoint.answered(error.response.headers, _loop_time())
        raise
    else:
        return
    raise overdue


async def _read_events(
    response: httpx2.Response,
    pieces: AsyncGenerator[bytes, None],
    call: LaneCall,
    blocked_s: float,
) -> AsyncGenerator[Delta, None]:
    call.opened(response.headers.get("content-type"))
    reader = EventReader()
    while True:
        ends = min(call.deadline, _loop_time() + _DRAIN_S) if call.done else call.deadline
        try:
            # One timer a piece, so that none is running while the caller has the delta.
            async with Patient(ends, blocked_s=blocked_s):
                piece = await anext(pieces, None)
        except TimeoutError:
            if call.done:
                return
            raise
        for event in reader.end() if piece is None else reader.feed(piece):
            # What comes after the end is read for the connection's sake only.
            delta = None if call.done else call.take(event, _loop_time())
            if delta is not None:
                yield delta
        if piece is None:
            return


async def _read_whole(
    response: httpx2.Response,
    pieces: AsyncGenerator[bytes, None],
    call: LaneCall,
    blocked_s: float,
) -> None:
    body = WholeBody()
    async with Patient(call.deadline, blocked_s=blocked_s):
        async for piece in pieces:
            body.feed(piece)
    call.feed_whole(body.value())


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
