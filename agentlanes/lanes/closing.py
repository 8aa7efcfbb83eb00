"""Who closes a loop's HTTP clients: the loop, not the garbage collector.

A client that is collected together with its sockets leaves them open (a `ResourceWarning`), and
that is what happens to whatever is part of a reference cycle, as a built graph is. So clients are
owned here, by loop, and their users hold a token only. A client is closed when its token is given
back, or when the loop shuts its asynchronous generators down, which `asyncio.run` and
`asyncio.Runner` do.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import openai

__all__ = ["Token", "acquire", "release", "release_soon"]

_LOOPS: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopClients] = (
    weakref.WeakKeyDictionary()
)
# Re-entrant, since the collector may call `release_soon` anywhere, also in here.
_LOCK = threading.RLock()


class Token:
    """Stands for one user's client in every loop."""

    __slots__ = ()


async def acquire(token: Token, build: Callable[[], openai.AsyncOpenAI]) -> openai.AsyncOpenAI:
    """Give the running loop's client of a token, built if there is none.

    Args:
        token: Whose client.
        build: Makes a client.
    """
    loop = asyncio.get_running_loop()
    with _LOCK:
        here = _LOOPS.get(loop)
        fresh = here is None
        if here is None:
            for other in [known for known in _LOOPS if known.is_closed()]:
                del _LOOPS[other]  # its clients hold the loop, so it would never go by itself
            here = _LOOPS[loop] = _LoopClients()
    if fresh:
        # Starting the generator is what makes the loop know it, and close it at its own end. It
        # does not suspend: two tasks never see the loop half ready.
        await anext(here.closer)
    client = here.clients.get(token)
    if client is None:
        client = here.clients[token] = build()
    return client


async def release(token: Token) -> None:
    """Close the running loop's client of a token, if there is one."""
    here = _LOOPS.get(asyncio.get_running_loop())
    if here is not None:
        here.retire(token)
        await here.settled()


def release_soon(token: Token) -> None:
    """Have a token's clients closed by their loops. For any thread, and for the collector."""
    with _LOCK:
        places = list(_LOOPS.items())
    for loop, here in places:
        if token in here.clients:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and so are its clients
                loop.call_soon_threadsafe(here.retire, token)


class _LoopClients:
    """The clients of one loop. Its methods are for that loop only."""

    def __init__(self) -> None:
        self.clients: dict[Token, openai.AsyncOpenAI] = {}
        self.closer = self._close_with_loop()
        self._closing: set[_Closing] = set()

    def retire(self, token: Token) -> None:
        """Begin to close a client."""
        client = self.clients.pop(token, None)
        if client is not None:
            task = _Closing(client.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def settled(self) -> None:
        """Wait until what is being closed is closed."""
        if self._closing:
            await asyncio.wait(self._closing)

    async def _close_with_loop(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            with _LOCK:
                _LOOPS.pop(asyncio.get_running_loop(), None)
            for token in list(self.clients):
                self.retire(token)
            await self.settled()


class _Closing(asyncio.Task[None]):
    """A client's closing. It takes no cancellation: half done, it would leave sockets open.

    It waits for nobody, so whoever cancels everything at a loop's end and waits is not held up.
    """

    def __init__(self, closing: Coroutine[Any, Any, None]) -> None:
        super().__init__(closing, name="close-lane-client")

    def cancel(self, msg: Any | None = None) -> bool:
        return False
