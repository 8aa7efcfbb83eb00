"""Both lanes on this machine: fetch the weights, start a server a lane, give the two `Lane`s."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from agentlanes.config import Settings
from agentlanes.lanes.defaults import local_lane
from agentlanes.lanes.lane import Lane
from agentlanes.local.catalog import DEFAULT_ACT, DEFAULT_REASON
from agentlanes.local.process import LocalServer, require_extra
from agentlanes.local.weights import Sources, announce, resolve

__all__ = ["LocalLanes", "local_lanes"]

_T = TypeVar("_T")


class LocalLanes:
    """Serve an act lane and a reason lane from this machine, for the length of a block.

    A context manager, sync and async, giving `(act, reason)`. Each lane has one server process
    with one slot, so that the prefix of its last prompt stays cached; requests of one lane queue.

    Args:
        act: The act lane's model: the name of a known model, or the path of a GGUF file.
        reason: The reason lane's model, likewise.
        settings: Cache folder and offline switch; read from the environment if unset.
        progress: Show downloads on standard error.
        act_port: The act lane's port; 0 takes a free one.
        reason_port: The reason lane's port; 0 takes a free one.
        ctx: Context of each lane, in tokens.
        threads: Threads of each server; every usable core by default.
        act_examples: Worked examples of tool use for the act lane, see `Lane.examples`.
        sources: Other places for weights than the public ones.

    Attributes:
        servers: The act and the reason server, while running.

    Raises:
        MissingExtra: On entering: the extra `agentlanes[local]` is not installed.
        WeightsError: On entering: a model could not be had, or not be loaded.
        EndpointUnreachable: On entering: a server did not come up.

    Example:
        >>> with LocalLanes() as (act, reason):  # doctest: +SKIP
        ...     agent = build_agent(act=act, reason=reason, tools=tools)
    """

    def __init__(
        self,
        act: str | Path = DEFAULT_ACT,
        reason: str | Path = DEFAULT_REASON,
        *,
        settings: Settings | None = None,
        progress: bool = True,
        act_port: int = 0,
        reason_port: int = 0,
        ctx: int = 8192,
        threads: int | None = None,
        act_examples: Sequence[tuple[str, Mapping[str, Any]]] = (),
        sources: Sources | None = None,
    ) -> None:
        self.servers: tuple[LocalServer, ...] = ()
        self._models = (act, reason)
        self._ports = (act_port, reason_port)
        self._settings = settings
        self._progress = progress
        self._ctx = ctx
        self._threads = threads
        self._act_examples = tuple(act_examples)
        self._sources = sources if sources is not None else Sources()
        self._stack = ExitStack()
        self._astack = AsyncExitStack()

    def __enter__(self) -> tuple[Lane, Lane]:
        servers = self._make_servers(self._weights(self._sources))
        with ExitStack() as stack:
            for server in servers:
                stack.enter_context(server)
            self._stack = stack.pop_all()
        return self._lanes(servers)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.servers = ()
        self._stack.close()

    async def __aenter__(self) -> tuple[Lane, Lane]:
        stopped = threading.Event()
        sources = replace(self._sources, stop=lambda: stopped.is_set() or self._sources.stop())
        servers = self._make_servers(
            await _in_daemon_thread(lambda: self._weights(sources), stopped.set)
        )
        async with AsyncExitStack() as stack:
            for server in servers:
                await stack.enter_async_context(server)
            self._astack = stack.pop_all()
        return self._lanes(servers)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.servers = ()
        await self._astack.aclose()

    def _weights(self, sources: Sources) -> list[Path]:
        require_extra()  # before a gigabyte is downloaded for nothing
        settings = self._settings if self._settings is not None else Settings.from_env()
        if self._progress:
            announce(self._models, settings)
        return [
            resolve(model, settings, progress=self._progress, sources=sources)
            for model in self._models
        ]

    def _make_servers(self, files: Sequence[Path]) -> tuple[LocalServer, ...]:
        return tuple(
            LocalServer(file, _alias(model), ctx=self._ctx, threads=self._threads, port=port)
            for file, model, port in zip(files, self._models, self._ports, strict=True)
        )

    def _lanes(self, servers: tuple[LocalServer, ...]) -> tuple[Lane, Lane]:
        self.servers = servers
        act, reason = servers
        return (
            local_lane("act", act.alias, act.base_url, examples=self._act_examples),
            local_lane("reason", reason.alias, reason.base_url),
        )


def local_lanes(
    act: str | Path = DEFAULT_ACT,
    reason: str | Path = DEFAULT_REASON,
    settings: Settings | None = None,
    progress: bool = True,
    **options: Any,
) -> LocalLanes:
    """Serve both lanes for the length of a `with` or `async with` block.

    Options are those of `LocalLanes`, which says what is raised.

    Example:
        >>> async with local_lanes() as (act, reason):  # doctest: +SKIP
        ...     agent = build_agent(act=act, reason=reason, tools=tools)
    """
    return LocalLanes(act, reason, settings=settings, progress=progress, **options)


def _alias(model: str | Path) -> str:
    return Path(model).stem if str(model).endswith(".gguf") else str(model)


async def _in_daemon_thread(work: Callable[[], _T], stop: Callable[[], None]) -> _T:
    """Await blocking work that a cancellation stops.

    Not `asyncio.to_thread`: its threads are joined when the loop closes, and a transfer that hangs
    would keep Ctrl-C waiting.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def settle(tell: Callable[..., object], *what: object) -> None:
        def unless_cancelled() -> None:
            if not done.done():
                tell(*what)

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(unless_cancelled)

    def run() -> None:
        try:
            settle(done.set_result, work())
        except KeyboardInterrupt:  # stopped as asked
            settle(done.cancel)
        except BaseException as error:
            settle(done.set_exception, error)

    thread = threading.Thread(target=run, name="weights", daemon=True)
    thread.start()
    try:
        return await done
    except asyncio.CancelledError:
        stop()
        # time to end its downloads; a transfer that hangs ends with the process instead
        await asyncio.to_thread(thread.join, 2.0)
        raise
