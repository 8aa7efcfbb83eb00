"""An OpenAI-compatible endpoint over a real socket that answers from a script.

Example:
    >>> import asyncio
    >>> from openai import AsyncOpenAI
    >>> def script(body):
    ...     return Reply(content=f"You said {body['messages'][-1]['content']!r}.")
    >>> async def main():
    ...     async with EndpointServer({"parrot": script}) as server:
    ...         client = AsyncOpenAI(base_url=server.base_url, api_key="any", max_retries=0)
    ...         async with client:
    ...             done = await client.chat.completions.create(
    ...                 model="parrot", messages=[{"role": "user", "content": "hello"}])
    ...         return done.choices[0].message.content, len(server.requests)
    >>> asyncio.run(main())
    ("You said 'hello'.", 1)
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from agentlanes.errors import MissingExtra
from agentlanes.testing.faults import Fault, FaultPlan, matches
from agentlanes.testing.latency import Latency, LatencySource
from agentlanes.testing.reply import Reply, error_body

try:
    from aiohttp import web

    from agentlanes.testing._answer import send_error, send_reply
    from agentlanes.testing._background import BackgroundResponses
    from agentlanes.testing._standin import send_fault
    from agentlanes.testing._wire import WIRES, Api
except ImportError as missing:
    raise MissingExtra("agentlanes.testing.EndpointServer", "testing") from missing

__all__ = ["EndpointServer", "RequestLog", "Script"]

Script = Callable[[dict[str, Any]], "Reply | Awaitable[Reply]"]
"""Answers a request's body, which it must not change. It runs on the server's event loop."""

_MAX_BODY_BYTES = 64 * 2**20
_BACKLOG = 1024
_T = TypeVar("_T")


@dataclass(slots=True, kw_only=True)
class RequestLog:
    """One request that arrived, and what became of it. Headers, and so keys, are not kept.

    Attributes:
        body: Its JSON.
        model: The model asked for.
        stream: Whether a stream was asked for.
        api: Which API was spoken.
        nth: Its place among the requests for that model, from 1.
        t_start: When it arrived, in seconds of `time.monotonic()`.
        t_end: When its answer had been sent or given up; `None` while it is open.
        status: The HTTP status that was sent; `None` if none was.
        aborted: The client left before the answer was complete.
        fault: What was made to go wrong.
        error: What the script raised, for a request that got status 500.
    """

    body: dict[str, Any]
    model: str
    stream: bool
    nth: int
    t_start: float
    api: Api = "chat"
    t_end: float | None = None
    status: int | None = None
    aborted: bool = False
    fault: Fault | None = None
    error: BaseException | None = None


class EndpointServer:
    """Serves Chat Completions, the Responses API and `GET /v1/models`, streamed and not.

    Responses may be made in the background (`POST /v1/responses`), asked for by id, streamed from
    any event on, and cancelled. Scripts read requests in the words of Chat Completions, whichever
    API they came by; `RequestLog.body` has what was really sent.

    Used as `async with EndpointServer(...) as server:` it shares the caller's event loop. Used as
    `with EndpointServer(...).serve_in_thread() as server:` it has a loop and a thread of its own,
    so that neither side's work delays the other's timers. Leaving either ends every open request,
    task and socket. A server may be started again after it has ended, on a new port if `port` is 0.

    A model's name is looked up as it is, then by the longest key that ends in `*` and is its
    prefix; an unknown one gets 404 in OpenAI's form. A script that raises gets its caller status
    500, marked not to be retried, with the exception in the message and in `RequestLog.error`.

    Args:
        models: A script for each model, or one script for any model.
        latency: How long answers take, for all models or by model (same lookup); none at all where
            nothing is said. `Reply.latency` comes first.
        faults: Asked for each request before the script. `Reply.fault` applies where it gives
            `None`.
        host: The address to listen on.
        port: The port; 0 takes a free one.
        apis: Which APIs it serves.
        on_end: Hears of each completion request once it has ended, on the server's event loop.

    Attributes:
        requests: Every completion request so far, in order of arrival.
        background: The responses that are made in the background, and what was asked of them.
    """

    def __init__(
        self,
        models: Mapping[str, Script] | Script,
        *,
        latency: Mapping[str, LatencySource] | LatencySource | None = None,
        faults: FaultPlan | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        apis: Sequence[Api] = ("chat", "responses"),
        on_end: Callable[[RequestLog], None] | None = None,
    ) -> None:
        self.requests: list[RequestLog] = []
        self.background = BackgroundResponses()
        self._apis = tuple(apis)
        self._on_end = on_end
        self._models: Mapping[str, Script] = (
            models if isinstance(models, Mapping) else {"*": models}
        )
        self._latency: Mapping[str, LatencySource]
        if latency is None or isinstance(latency, Mapping):
            self._latency = latency or {}
        else:
            self._latency = {"*": latency}
        self._faults = faults
        self._host = host
        self._wanted_port = port
        self._port: int | None = None
        self._seen: Counter[str] = Counter()
        self._open: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._idle: asyncio.Event | None = None
        self._closing = False

    @property
    def base_url(self) -> str:
        """What a client takes as its `base_url`.

        Raises:
            RuntimeError: The server is not running.
        """
        if self._port is None:
            raise RuntimeError("the server has no address yet: enter `async with server:` first")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}/v1"

    async def wait_idle(self) -> None:
        """Wait until no request is open, and so the log of all those that arrived is final.

        Works from any event loop. Right after a client's disconnect it waits for the server to
        have noticed.

        Raises:
            RuntimeError: The server is not running.
        """
        idle, loop = self._idle, self._loop
        if idle is None or loop is None:
            raise RuntimeError("the server is not running; its log is final")
        if loop is asyncio.get_running_loop():
            await idle.wait()
        else:
            waiting = asyncio.run_coroutine_threadsafe(_wait(idle), loop)
            await asyncio.wrap_future(waiting)

    async def __aenter__(self) -> Self:
        if self._runner is not None:
            raise RuntimeError("the server is running already; make a second one")
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        for api in self._apis:
            app.router.add_post(f"/v1{WIRES[api].path}", functools.partial(self._asked, api))
        if "responses" in self._apis:
            app.router.add_get("/v1/responses/{id}", self._follow_up)
            app.router.add_post("/v1/responses/{id}/cancel", self._follow_up)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_route("*", "/{path:.*}", _unknown_path)
        # Without handler_cancellation nobody would notice a client that has left.
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0
        )
        try:
            await self._runner.setup()
            self._site = web.TCPSite(self._runner, self._host, self._wanted_port, backlog=_BACKLOG)
            await self._site.start()
        except BaseException:
            await self._runner.cleanup()
            self._runner = self._site = None
            raise
        self._loop = asyncio.get_running_loop()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        runner, site = self._runner, self._site
        assert runner is not None
        assert site is not None
        self._closing = True
        try:
            await site.stop()
            # A stalled answer would keep the runner waiting for its whole shutdown timeout.
            ending = list(self._open)
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)
        finally:
            await runner.cleanup()
            self._runner = self._site = self._loop = self._idle = self._port = None

    @contextlib.contextmanager
    def serve_in_thread(self) -> Iterator[Self]:
        """Serve from an event loop in a thread of its own while the block runs.

        Example:
            >>> from openai import OpenAI
            >>> server = EndpointServer(lambda body: Reply(content="pong"))
            >>> with server.serve_in_thread():
            ...     with OpenAI(base_url=server.base_url, api_key="any") as client:
            ...         done = client.chat.completions.create(model="any", messages=[])
            >>> done.choices[0].message.content
            'pong'
        """
        started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

        async def serve() -> None:
            try:
                async with self:
                    stop = asyncio.Event()
                    started.set_result((asyncio.get_running_loop(), stop))
                    await stop.wait()
            except Exception as error:
                if started.done():
                    raise
                started.set_exception(error)

        thread = threading.Thread(
            target=lambda: asyncio.run(serve()), name="agentlanes-endpoint", daemon=True
        )
        thread.start()
        try:
            loop, stop = started.result()
        except BaseException:
            thread.join()
            raise
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()

    async def _asked(self, api: Api, request: web.Request) -> web.StreamResponse:
        if self._closing:
            raise web.HTTPServiceUnavailable
        log = RequestLog(body={}, model="", stream=False, nth=0, t_start=time.monotonic(), api=api)
        self.requests.append(log)
        with self._under_way():
            try:
                return await self._answer(request, log)
            except asyncio.CancelledError:
                log.aborted = not self._closing
                raise
            except ConnectionError:
                log.aborted = not self._closing
                return web.Response()  # to nobody; raising would only have aiohttp log it
            finally:
                log.t_end = time.monotonic()
                if self._on_end is not None:
                    self._on_end(log)

    async def _follow_up(self, request: web.Request) -> web.StreamResponse:
        if self._closing:
            raise web.HTTPServiceUnavailable
        with self._under_way():
            if request.method == "POST":
                return await self.background.cancel(request)
            return await self.background.get(request)

    @contextlib.contextmanager
    def _under_way(self) -> Iterator[None]:
        task, idle = asyncio.current_task(), self._idle
        assert task is not None
        assert idle is not None
        self._open.add(task)
        idle.clear()
        try:
            yield
        finally:
            self._open.discard(task)
            if not self._open:
                idle.set()

    async def _answer(self, request: web.Request, log: RequestLog) -> web.StreamResponse:
        try:
            body = await request.json()
        except ValueError as error:
            return await send_error(request, log, 400, f"the body is not JSON: {error}")
        wire = WIRES[log.api]
        if not (
            isinstance(body, dict)
            and isinstance(body.get("model"), str)
            and isinstance(body.get(wire.wants), list if log.api == "chat" else list | str)
        ):
            return await send_error(request, log, 400, f"a body has a `model` and `{wire.wants}`")
        log.body, log.model, log.stream = body, body["model"], body.get("stream") is True
        self._seen[log.model] += 1
        log.nth = self._seen[log.model]
        script = _lookup(self._models, log.model)
        if script is None:
            problem = f"The model `{log.model}` does not exist"
            return await send_error(request, log, 404, problem, code="model_not_found")
        latency = (_lookup(self._latency, log.model) or Latency()).draw(body)
        log.fault = self._faults(log) if self._faults is not None else None
        if log.fault is not None:
            sent = await send_fault(request, log, log.fault)
            if sent is not None:
                return sent
        try:
            reply = await _ask(script, wire.view(body))
        except Exception as error:
            log.error = error
            problem = f"the script for {log.model!r} raised {error!r}"
            headers = {"x-should-retry": "false"}
            return await send_error(request, log, 500, problem, headers=headers)
        if log.fault is None and reply.fault is not None:
            log.fault = reply.fault
            sent = await send_fault(request, log, reply.fault)
            if sent is not None:
                return sent
        if reply.latency is not None:
            latency = reply.latency.draw(body)
        if log.api == "responses" and body.get("background") is True:
            return await self.background.start(request, log, reply, latency)
        return await send_reply(request, log, reply, latency)

    async def _list_models(self, request: web.Request) -> web.StreamResponse:
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "agentlanes"}
            for name in self._models
        ]
        return web.json_response({"object": "list", "data": data})


async def _unknown_path(request: web.Request) -> web.StreamResponse:
    problem = f"there is no {request.method} {request.path} here; see EndpointServer"
    return web.json_response(error_body(problem, kind="invalid_request_error"), status=404)


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def _ask(script: Script, body: dict[str, Any]) -> Reply:
    given = script(body)
    reply = await given if inspect.isawaitable(given) else given
    if not isinstance(reply, Reply):
        raise TypeError(f"a script gives a Reply, not {type(reply).__name__}")
    return reply


def _lookup(table: Mapping[str, _T], model: str) -> _T | None:
    if model in table:
        return table[model]
    fitting = [key for key in table if key.endswith("*") and matches(key, model)]
    return table[max(fitting, key=len)] if fitting else None
