"""Following a reply that is made in the background: the I/O, asynchronous and synchronous.

`Background` decides which request comes next, and when a response is given up.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, asynccontextmanager, closing, contextmanager, suppress
from typing import TYPE_CHECKING

from agentlanes.lanes.responses.background import Background, Step
from agentlanes.lanes.responses.events import ResponseBuilder
from agentlanes.lanes.sse import EventReader

if TYPE_CHECKING:
    import openai

    from agentlanes.lanes.clients import Clients
    from agentlanes.lanes.lane_call import LaneCall
    from agentlanes.lanes.stream import Delta

__all__ = ["CANCEL_S", "read", "read_sync"]

CANCEL_S = 5.0
"""How long the endpoint may take to cancel a response, in seconds; then it is left to itself."""


async def read(clients: Clients, call: LaneCall) -> AsyncGenerator[Delta, None]:
    """Make one attempt: start the response or take it up, and follow it to its end."""
    call.begin(_now())
    work, builder = _parts(call)
    with call.translated():
        client = await clients.acquire()
        async with _held(work, client, builder):
            broken: Exception | None = None
            while not builder.ended:
                step = work.next_step(builder, streams=call.streams)
                try:
                    async with asyncio.timeout_at(call.deadline):
                        await asyncio.sleep(step.wait_s)
                    async with aclosing(_follow(client, call, work, builder, step)) as deltas:
                        async for delta in deltas:
                            yield delta
                    broken = None
                except TimeoutError:
                    # A line that stays broken says nothing of the response, which goes on.
                    failed = broken or call.overdue(_now())
                    break
                except Exception as error:
                    if not work.gone(error):
                        if not work.goes_on(error):
                            raise
                        broken = error
            else:
                return
            raise failed


async def _follow(
    client: openai.AsyncOpenAI,
    call: LaneCall,
    work: Background,
    builder: ResponseBuilder,
    step: Step,
) -> AsyncGenerator[Delta, None]:
    """Make one request and read what it gives."""
    from openai import AsyncStream

    if not call.streams:
        async with asyncio.timeout_at(call.deadline):
            if step.body is not None:
                body = await client.post(step.path, cast_to=object, body=step.body)
            else:
                body = await client.get(step.path, cast_to=object, options={"params": step.query})
        call.feed_whole(body)
        if work.is_new(builder):
            await _in_thread(functools.partial(work.heard, builder))
        return
    async with asyncio.timeout_at(call.deadline):
        if step.body is not None:
            stream = await client.post(
                step.path,
                cast_to=object,
                body=step.body,
                stream=True,
                stream_cls=AsyncStream[object],
            )
        else:
            stream = await client.get(
                step.path,
                cast_to=object,
                options={"params": step.query},
                stream=True,
                stream_cls=AsyncStream[object],
            )
    reader = EventReader()
    try:
        call.opened(stream.response.headers.get("content-type"))
        async with aclosing(stream.response.aiter_bytes()) as pieces:
            while not builder.ended:
                async with asyncio.timeout_at(call.deadline):
                    piece = await anext(pieces, None)
                for event in reader.end() if piece is None else reader.feed(piece):
                    delta = call.take(event, _now())
                    if work.is_new(builder):
                        await _in_thread(functools.partial(work.heard, builder))
                    if delta is not None:
                        yield delta
                if piece is None:
                    return
    finally:
        await stream.response.aclose()


@asynccontextmanager
async def _held(
    work: Background, client: openai.AsyncOpenAI, builder: ResponseBuilder
) -> AsyncGenerator[None, None]:
    """Hold the request's record, and cancel the response unless it ended or may go on."""
    keep = False
    try:
        await _in_thread(work.take)
        yield
    except Exception as error:
        keep = work.goes_on(error)
        raise
    finally:
        path = None
        if not keep:
            path = None if builder.ended else work.cancel_path
            work.forget()
        work.release()
        if path is not None:
            # No error of the cancelling may hide why it is done.
            with suppress(Exception):
                async with asyncio.timeout(CANCEL_S):
                    await client.post(path, cast_to=object)


async def _in_thread(work: Callable[[], None]) -> None:
    """Run file I/O in a thread, to its end: half done, it would leave a record locked."""
    task = asyncio.create_task(asyncio.to_thread(work))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def read_sync(clients: Clients, call: LaneCall) -> Generator[Delta, None, None]:
    """Do what `read` does, without an event loop."""
    call.begin(time.monotonic())
    work, builder = _parts(call)
    with call.translated():
        client = clients.acquire_sync()
        with _held_sync(work, client, builder):
            broken: Exception | None = None
            while not builder.ended:
                now = time.monotonic()
                if now >= call.deadline:
                    raise broken or call.overdue(now)
                step = work.next_step(builder, streams=call.streams)
                time.sleep(min(step.wait_s, max(0.0, call.deadline - now)))
                try:
                    with closing(_follow_sync(client, call, work, builder, step)) as deltas:
                        yield from deltas
                    broken = None
                except Exception as error:
                    if not work.gone(error):
                        if not work.goes_on(error):
                            raise
                        broken = error


def _follow_sync(
    client: openai.OpenAI,
    call: LaneCall,
    work: Background,
    builder: ResponseBuilder,
    step: Step,
) -> Generator[Delta, None, None]:
    from openai import Stream

    if not call.streams:
        if step.body is not None:
            call.feed_whole(client.post(step.path, cast_to=object, body=step.body))
        else:
            call.feed_whole(client.get(step.path, cast_to=object, options={"params": step.query}))
        if work.is_new(builder):
            work.heard(builder)
        return
    if step.body is not None:
        stream = client.post(
            step.path, cast_to=object, body=step.body, stream=True, stream_cls=Stream[object]
        )
    else:
        stream = client.get(
            step.path,
            cast_to=object,
            options={"params": step.query},
            stream=True,
            stream_cls=Stream[object],
        )
    reader = EventReader()
    try:
        call.opened(stream.response.headers.get("content-type"))
        pieces = stream.response.iter_bytes()
        while not builder.ended:
            piece = next(pieces, None)
            now = time.monotonic()
            if now > call.deadline:
                raise call.overdue(now)
            for event in reader.end() if piece is None else reader.feed(piece):
                delta = call.take(event, now)
                if work.is_new(builder):
                    work.heard(builder)
                if delta is not None:
                    yield delta
            if piece is None:
                return
    finally:
        stream.response.close()


@contextmanager
def _held_sync(
    work: Background, client: openai.OpenAI, builder: ResponseBuilder
) -> Generator[None, None, None]:
    keep = False
    try:
        work.take()
        yield
    except Exception as error:
        keep = work.goes_on(error)
        raise
    finally:
        path = None
        if not keep:
            path = None if builder.ended else work.cancel_path
            work.forget()
        work.release()
        if path is not None:
            with suppress(Exception):
                client.post(path, cast_to=object, options={"timeout": CANCEL_S})


def _parts(call: LaneCall) -> tuple[Background, ResponseBuilder]:
    work, builder = call.background, call.builder
    assert work is not None
    assert isinstance(builder, ResponseBuilder)
    return work, builder


def _now() -> float:
    return asyncio.get_running_loop().time()
