"""The I/O of a lane call, asynchronous and synchronous. Thin: `LaneCall` decides everything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing, closing
from typing import Any, TypeVar

from langchain_core.messages import AIMessage, AIMessageChunk
from tenacity import AsyncRetrying, Retrying

from agentlanes.errors import LaneError
from agentlanes.lanes.clients import Clients
from agentlanes.lanes.lane_call import LaneCall, as_chunk, last_chunk, whole_chunk
from agentlanes.lanes.responses import following
from agentlanes.lanes.retry import AttemptFailed
from agentlanes.lanes.stream import Delta

__all__ = ["chunks", "chunks_sync", "reply", "reply_sync"]

_END = object()
_T = TypeVar("_T")


async def reply(clients: Clients, call: LaneCall) -> AIMessage:
    """Make the call and give the complete reply.

    Raises:
        LaneError: No usable reply within the attempts and timers of the lane.
    """

    async def read_all() -> AIMessage:
        async with aclosing(_read(clients, call)) as deltas:
            async for _ in deltas:
                pass
        with call.translated():
            return call.message(_loop_time())

    return await _retried(call, read_all)


async def chunks(clients: Clients, call: LaneCall) -> AsyncGenerator[AIMessageChunk, None]:
    """Make the call and give the reply as it comes; the last chunk holds usage and times.

    Once a chunk was given nothing is tried again.

    Raises:
        LaneError: As in `reply`. What was given before it is void.
    """
    if not call.surfaces:
        yield whole_chunk(await reply(clients, call))
        return

    async def open_() -> tuple[AsyncGenerator[Delta, None], Delta | None]:
        source = _read(clients, call)
        return source, await anext(source, None)

    source, delta = await _retried(call, open_)
    error: LaneError | None = None
    try:
        async with aclosing(source):
            while delta is not None:
                yield as_chunk(delta)
                call.resumed(_loop_time())
                delta = await anext(source, None)
        with call.translated():
            message = call.message(_loop_time())
    except AttemptFailed as failed:
        error = failed.error
    if error is not None:
        raise error
    yield last_chunk(message)


def reply_sync(clients: Clients, call: LaneCall) -> AIMessage:
    """Do what `reply` does, without an event loop."""

    def read_all() -> AIMessage:
        with closing(_read_sync(clients, call)) as deltas:
            for _ in deltas:
                pass
        with call.translated():
            return call.message(time.monotonic())

    return _retried_sync(call, read_all)


def chunks_sync(clients: Clients, call: LaneCall) -> Generator[AIMessageChunk, None, None]:
    """Do what `chunks` does, without an event loop."""
    if not call.surfaces:
        yield whole_chunk(reply_sync(clients, call))
        return

    def open_() -> tuple[Generator[Delta, None, None], Delta | None]:
        source = _read_sync(clients, call)
        return source, next(source, None)

    source, delta = _retried_sync(call, open_)
    error: LaneError | None = None
    try:
        with closing(source):
            while delta is not None:
                yield as_chunk(delta)
                call.resumed(time.monotonic())
                delta = next(source, None)
        with call.translated():
            message = call.message(time.monotonic())
    except AttemptFailed as failed:
        error = failed.error
    if error is not None:
        raise error
    yield last_chunk(message)


async def _read(clients: Clients, call: LaneCall) -> AsyncGenerator[Delta, None]:
    """Make one attempt."""
    from openai import AsyncStream

    if call.background is not None:
        async with aclosing(following.read(clients, call)) as followed:
            async for delta in followed:
                yield delta
        return
    call.begin(_loop_time())
    with call.translated():
        client = await clients.acquire()
        try:
            if not call.streams:
                async with asyncio.timeout_at(call.deadline):
                    body = await client.post(call.path, cast_to=object, body=call.body)
                call.feed_whole(body)
                return
            async with asyncio.timeout_at(call.deadline):
                stream = await client.post(
                    call.path,
                    cast_to=object,
                    body=call.body,
                    stream=True,
                    stream_cls=AsyncStream[object],
                )
            try:
                call.opened(stream.response.headers.get("content-type"))
                while True:
                    # One timeout a chunk, so that none is running while the caller has the delta.
                    async with asyncio.timeout_at(call.deadline):
                        chunk = await anext(stream, _END)
                    if chunk is _END:
                        return
                    said = call.feed(chunk, _loop_time())
                    if said is not None:
                        yield said
            finally:
                await stream.close()
        except TimeoutError:
            overdue = call.overdue(_loop_time())
        raise overdue


def _read_sync(clients: Clients, call: LaneCall) -> Generator[Delta, None, None]:
    """Make one attempt. A read that hangs is ended by the socket's timeout, not by the clock."""
    from openai import Stream

    if call.background is not None:
        yield from following.read_sync(clients, call)
        return
    call.begin(time.monotonic())
    with call.translated():
        client = clients.acquire_sync()
        if not call.streams:
            call.feed_whole(client.post(call.path, cast_to=object, body=call.body))
            return
        stream = client.post(
            call.path, cast_to=object, body=call.body, stream=True, stream_cls=Stream[object]
        )
        try:
            call.opened(stream.response.headers.get("content-type"))
            while (chunk := next(stream, _END)) is not _END:
                now = time.monotonic()
                if now > call.deadline:
                    raise call.overdue(now)
                delta = call.feed(chunk, now)
                if delta is not None:
                    yield delta
        finally:
            stream.close()


async def _retried(call: LaneCall, attempt: Callable[[], Awaitable[_T]]) -> _T:
    policy: dict[str, Any] = call.retry_policy()
    try:
        return await AsyncRetrying(**policy)(attempt)
    except AttemptFailed as failed:
        error = failed.error
    raise error


def _retried_sync(call: LaneCall, attempt: Callable[[], _T]) -> _T:
    policy: dict[str, Any] = call.retry_policy()
    try:
        return Retrying(**policy)(attempt)
    except AttemptFailed as failed:
        error = failed.error
    raise error


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
