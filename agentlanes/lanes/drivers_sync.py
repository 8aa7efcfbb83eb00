"""The I/O of a lane call without an event loop.

Retries, breaker, budget, announced rate limits and fallbacks are as in `drivers`. Left out is what
needs several things to happen at once: hedging, and waiting in line for a place; a call here takes
a place whether one is free or not, and does not wait for a probe. A read that hangs is ended by the
socket's timeout, not by the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from langchain_core.messages import AIMessage, AIMessageChunk
from tenacity import Retrying

from agentlanes.errors import LaneError
from agentlanes.lanes.chunks import Chunks, whole_chunk
from agentlanes.lanes.endpoint import Endpoint, Visit
from agentlanes.lanes.lane_call import LaneCall
from agentlanes.lanes.responses import following
from agentlanes.lanes.retry import AttemptFailed, Shows
from agentlanes.lanes.route import Route
from agentlanes.lanes.sse import EventReader
from agentlanes.lanes.stream import Delta
from agentlanes.lanes.whole import WholeBody

if TYPE_CHECKING:
    import httpx2

__all__ = ["chunks_sync", "reply_sync"]

_T = TypeVar("_T")

_Opened = tuple[LaneCall, Generator[Delta, None, None], "Delta | None"]


def reply_sync(routes: Iterable[Route]) -> AIMessage:
    """Do what `reply` does, without an event loop."""

    def read_all(route: Route) -> AIMessage:
        return _drained(_open(route))

    return _first(routes, read_all)


def chunks_sync(routes: Iterable[Route]) -> Generator[AIMessageChunk, None, None]:
    """Do what `chunks` does, without an event loop."""

    def open_(route: Route) -> _Opened | AIMessage:
        opened = _open(route)
        return opened if opened[0].surfaces else _drained(opened)

    opened = _first(routes, open_)
    if isinstance(opened, AIMessage):
        yield whole_chunk(opened)
        return
    call, source, delta = opened
    writer = Chunks(call.body["model"])
    error: LaneError | None = None
    try:
        with closing(source):
            while delta is not None:
                with call.translated():
                    chunk = writer.of(delta)
                if chunk is not None:
                    yield chunk
                    call.resumed(time.monotonic())
                delta = next(source, None)
    except AttemptFailed as failed:
        error = failed.error
    if error is not None:
        raise error
    assert call.result is not None
    yield writer.last(call.result)


def _first(routes: Iterable[Route], attempt: Callable[[Route], _T]) -> _T:
    last: AttemptFailed | None = None
    for route in routes:
        try:
            return Retrying(**route.policy())(attempt, route)
        except AttemptFailed as failed:
            last = failed
        if not last.elsewhere:
            break
    assert last is not None
    raise last.error


def _open(route: Route) -> _Opened:
    endpoint, call = route.next()
    source = _read(endpoint, call, route)
    return call, source, next(source, None)


def _drained(opened: _Opened) -> AIMessage:
    call, source, delta = opened
    with closing(source):
        while delta is not None:
            delta = next(source, None)
    assert call.result is not None
    return call.result


def _read(endpoint: Endpoint, call: LaneCall, route: Route) -> Generator[Delta, None, None]:
    """Make one request at an endpoint; `call.result` is the reply once it has ended."""
    visit = _enter(endpoint, call, route)
    shows: Shows = "nothing"
    failure: AttemptFailed | None = None
    begun = False
    try:
        route.begin(call)
        with call.translated():
            deltas = (
                following.read_sync(endpoint.clients, call)
                if call.background is not None
                else _request(endpoint, call)
            )
            with closing(deltas):
                for delta in deltas:
                    if not begun:
                        begun = True
                        endpoint.first.add(time.monotonic() - visit.since)
                    yield delta
            now = time.monotonic()
            call.result = call.message(now)
        endpoint.whole.add(now - visit.since)
        shows = "answered"
    except AttemptFailed as failed:
        failure, shows = failed, failed.shows
        route.failed(call, endpoint, failed)
        raise
    finally:
        now = time.monotonic()
        if not begun:
            endpoint.waited(now - visit.since, shows)
        endpoint.leave(visit, now, shows, failure)


def _enter(endpoint: Endpoint, call: LaneCall, route: Route) -> Visit:
    began = now = time.monotonic()
    while hold_s := endpoint.hold_s(now):
        if not route.fits(hold_s, endpoint):
            raise endpoint.held_too_long(now)
        time.sleep(hold_s)
        now = time.monotonic()
    entry = endpoint.breaker.enter(now)
    if entry in ("shut", "wait"):
        raise endpoint.down(now)
    endpoint.limiter.take(force=True)
    call.queued_ms += (now - began) * 1000
    return Visit(now, entry == "probe")


def _request(endpoint: Endpoint, call: LaneCall) -> Generator[Delta, None, None]:
    import openai

    client = endpoint.clients.acquire_sync()
    try:
        stream = client.post(
            call.path,
            cast_to=object,
            body=call.body,
            stream=True,
            stream_cls=openai.Stream[object],
        )
    except openai.APIStatusError as error:
        endpoint.answered(error.response.headers, time.monotonic())
        raise
    response = stream.response
    endpoint.answered(response.headers, time.monotonic())
    try:
        pieces = _in_time(response.iter_bytes(), call)
        if call.streams:
            yield from _read_events(response, pieces, call)
            return
        body = WholeBody()
        for piece in pieces:
            body.feed(piece)
        call.feed_whole(body.value())
    finally:
        response.close()


def _read_events(
    response: httpx2.Response, pieces: Iterator[bytes], call: LaneCall
) -> Generator[Delta, None, None]:
    call.opened(response.headers.get("content-type"))
    reader = EventReader()
    while not call.done:
        piece = next(pieces, None)
        for event in reader.end() if piece is None else reader.feed(piece):
            delta = None if call.done else call.take(event, time.monotonic())
            if delta is not None:
                yield delta
        if piece is None:
            return


def _in_time(pieces: Iterator[bytes], call: LaneCall) -> Iterator[bytes]:
    for piece in pieces:
        now = time.monotonic()
        if now > call.deadline:
            raise call.overdue(now)
        yield piece
