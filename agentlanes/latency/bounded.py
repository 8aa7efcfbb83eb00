"""The bounds of a guarded LangSmith client: its requests' times, and its queue's size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from queue import PriorityQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter

if TYPE_CHECKING:
    from agentlanes.latency.guard import Guard

__all__ = ["ANSWER_S", "CONNECT_S", "BoundedAdapter", "BoundedQueue"]

CONNECT_S = 3.0
"""How long a trace's request waits for a connection, in seconds."""

ANSWER_S = 10.0
"""How long it then waits for each piece of the answer, in seconds."""

_TRACING = re.compile(r"GET .*/info|POST .*/runs(/multipart|/batch)?|PATCH .*/runs/[0-9a-f-]{36}")


class BoundedAdapter(HTTPAdapter):
    """Sends a guarded client's traces, once each: langsmith and the guard repeat what matters.

    Whatever else the client is used for goes through the adapter that it had.
    """

    def __init__(self, guard: Guard, inner: BaseAdapter) -> None:
        super().__init__(pool_maxsize=8, max_retries=0)
        self.guard = guard
        self._inner = inner

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request, as requests asks adapters to.

        Raises:
            requests.ConnectionError: Refused by the guard, or nobody answered.
        """
        how: dict[str, Any] = {"verify": verify, "cert": cert, "proxies": proxies, "stream": stream}
        if not _TRACING.fullmatch(f"{request.method} {urlsplit(request.url or '').path}"):
            return self._inner.send(request, timeout=timeout, **how)

        def transmit() -> requests.Response:
            response = super(BoundedAdapter, self).send(
                request, timeout=(CONNECT_S, ANSWER_S), **how
            )
            if not stream:
                _ = response.content  # within the same time
            return response

        return self.guard.send(request, transmit)

    def close(self) -> None:
        """Close the connections."""
        super().close()
        self._inner.close()


class BoundedQueue(PriorityQueue[Any]):
    """A queue of traced operations that is bounded by the size of all that is not done yet."""

    guard: Guard
    held: float

    @staticmethod
    def take_over(queue: PriorityQueue[Any], guard: Guard) -> None:
        """Bound a queue that langsmith's thread has in use already, and so cannot be replaced."""
        with queue.mutex:
            queue.__class__ = BoundedQueue
            assert isinstance(queue, BoundedQueue)
            queue.guard = guard
            queue.held = sum(_size(item) for item in queue.queue)

    def put_nowait(self, item: Any) -> None:
        """Put an operation in, or drop and count it."""
        size = _size(item)
        with self.mutex:
            room = self.guard.admits(self.held + size)
        if room:
            super().put_nowait(item)
        else:  # counted here, so langsmith need not hear of it and log it by itself
            self.guard.lose(str(item.item.id))

    def _put(self, item: Any) -> None:
        self.held += _size(item)
        super()._put(item)

    def task_done(self) -> None:
        """Note that an operation was sent or given up."""
        with self.mutex:  # which item is done is not said, so it counts as one of average size
            self.held -= self.held / max(1, self.unfinished_tasks)
        super().task_done()


def _size(item: Any) -> int:
    size: int = item.item.calculate_serialized_size()
    return size
