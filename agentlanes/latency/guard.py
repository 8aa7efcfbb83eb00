"""LangSmith kept from harming the process: bounded in time and memory, and silent when it is down.

What langsmith 0.15 does by itself when its service is refused or accepts and never answers: its
thread is waited for at exit (a first `GET /info` may take four times 60 s), up to 10,000 operations
are kept however large they are, each is tried three times over, and tracing goes on costing as much
as the agent's own work. A guard changes that for one client, whoever made it:

- its requests go through an adapter that waits 3 s for a connection and 10 s for an answer, makes
  none while the service is down, and gives up when the process ends;
- its queue holds `MAX_HELD_BYTES`, what is being sent included;
- before the first request, and whenever one found nobody, `GET /info` says whether the service is
  up. While it is not, tracing is paused (`langsmith.configure(enabled=False)`), and asked for again
  by a thread that the exit does not wait for;
- credentials are hidden in what is sent (`agentlanes.redact`), wherever in a run they are.

What is lost is counted, and said in one line when the service is found down and one at the end.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from contextvars import Context
from queue import Empty, Full, PriorityQueue
from typing import Any
from urllib.parse import urlsplit

import langsmith.run_trees
import langsmith.utils
import requests
from langsmith import Client
from requests.adapters import BaseAdapter, HTTPAdapter

from agentlanes.config import Settings
from agentlanes.redact import mask, redact

__all__ = ["MAX_HELD_BYTES", "Guard", "guard", "note_untraced_step"]

MAX_HELD_BYTES = 16 * 2**20
"""What waits to be sent and what is being sent, in bytes; what comes on top of it is dropped."""

_CONNECT_S = 3.0
_ANSWER_S = 10.0
_INFO_S = 3.0
_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 60.0
_IDLE_EXIT_S = 3.0  # at the end, how long to wait without anything being sent
_LONGEST_EXIT_S = 30.0
_COUNTED = 100_000  # run ids remembered to count each lost run once

_TRACING = re.compile(r"^(?:GET .*/info|(?:POST|PATCH) .*/runs(?:/multipart|/batch|/[0-9a-f-]{36})?)$")
_OPERATION = re.compile(rb'name="(?:post|patch)\.([0-9a-f-]{36})"')

_log = logging.getLogger(__name__)


def guard(client: Client) -> Guard:
    """Give a client's guard, made on the first call. Opens no connection."""
    adapter = client.session.get_adapter(client.api_url)
    if isinstance(adapter, _Adapter):
        return adapter.guard
    made = Guard(client)
    _exit.watch(made)
    return made


def note_untraced_step() -> None:
    """Count a step that had no tracer, if that is because tracing is paused."""
    for made in _exit.guards():
        made.note_untraced_step()


class Guard:
    """Guards one client, as the module says. Made by `guard`.

    Attributes:
        lost_runs: Runs that were dropped so far, wholly or in part.
        untraced_steps: Steps that were not traced since tracing was paused.
    """

    def __init__(self, client: Client) -> None:
        self.lost_runs = 0
        self.untraced_steps = 0
        self._client = weakref.ref(client)
        self._address = redact(client.api_url)
        self._lock = threading.Condition()
        self._lost_ids: set[str] = set()
        self._said = (0, 0)
        self._up: bool | None = None
        self._closed = False
        self._paused = False
        self._sent = 0
        self._info_lock = threading.Lock()
        self._waiting: set[threading.Event] = set()
        self._queue = client.tracing_queue
        if self._queue is not None:
            _Queue.take_over(self._queue, self)
        for scheme in ("http://", "https://"):
            inner = client.session.get_adapter(scheme)
            client.session.mount(scheme, _Adapter(self, inner))

    @property
    def down(self) -> bool:
        """Whether the service was found not to answer."""
        return self._up is False

    @property
    def paused(self) -> bool:
        """Whether new runs are not traced for now."""
        return self._paused

    def note_untraced_step(self) -> None:
        """Count a step that is not traced because tracing is paused."""
        if self._paused:
            self.untraced_steps += 1

    def drain(self, deadline: float) -> bool:
        """Wait until nothing is unsent, until a time of `time.monotonic`.

        Returns:
            Whether nothing is left. At once, and without waiting, while the service is down.
        """
        queue = self._queue
        if queue is None:
            return True
        with queue.all_tasks_done:
            while queue.unfinished_tasks and not self.down and time.monotonic() < deadline:
                queue.all_tasks_done.wait(0.05)
        if self.down:
            self._empty_queue()
        return not queue.unfinished_tasks and not self.lost_runs

    def end(self) -> None:
        """Send what can still be sent, bounded, then refuse everything. For the process's end."""
        last, sent = time.monotonic() + _LONGEST_EXIT_S, self._sent
        while not self.drain(min(last, time.monotonic() + _IDLE_EXIT_S)):
            if self.down or self._sent == sent or time.monotonic() >= last:
                break
            sent = self._sent
        self.close()
        self._say("")

    def close(self) -> None:
        """Refuse everything from now on, what is being sent included."""
        with self._lock:
            self._closed = True
            for event in self._waiting:
                event.set()
        self._empty_queue()

    def lose(self, *ids: str) -> None:
        """Count runs that are dropped."""
        with self._lock:
            for run_id in ids:
                if run_id in self._lost_ids:
                    continue
                self.lost_runs += 1
                if len(self._lost_ids) < _COUNTED:
                    self._lost_ids.add(run_id)

    def send(
        self, request: requests.PreparedRequest, transmit: Callable[[], requests.Response]
    ) -> requests.Response:
        """Make a request within the bounds, or refuse to.

        Raises:
            requests.ConnectionError: Refused, or nobody answered.
        """
        body = request.body if isinstance(request.body, bytes) else b""
        tracing = request.method != "GET"
        if tracing and not self._is_up():
            self.lose(*_ids(body))
            raise requests.ConnectionError(f"{self._address} is down; nothing was sent")
        if body:
            request.body = mask(body)
        try:
            response = self._in_time(transmit, _CONNECT_S + _ANSWER_S)
        except (requests.ConnectionError, requests.Timeout) as error:
            self.lose(*_ids(body))
            if tracing:
                self._found_down(error)
            raise
        self._sent += 1
        return response

    def _in_time(
        self, transmit: Callable[[], requests.Response], timeout_s: float
    ) -> requests.Response:
        """Make a request in a thread that nobody has to wait for."""
        outcome: list[requests.Response | BaseException] = []
        done = threading.Event()

        def run() -> None:
            try:
                outcome.append(transmit())
            except BaseException as error:
                outcome.append(error)
            done.set()

        with self._lock:
            if self._closed:
                raise requests.ConnectionError("the process is ending; nothing was sent")
            self._waiting.add(done)
        try:
            threading.Thread(target=run, name="agentlanes-langsmith", daemon=True).start()
            done.wait(timeout_s)
        finally:
            with self._lock:
                self._waiting.discard(done)
        if not outcome:
            raise requests.ConnectionError(f"{self._address} gave no answer in time")
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]

    def _is_up(self) -> bool:
        if self._up is None:
            with self._info_lock:  # one asks, the others wait for what it hears
                if self._up is None:
                    error = self._ask()
                    if error is None:
                        self._up = True
                    else:
                        self._found_down(error)
        return self._up is True and not self._closed

    def _ask(self) -> Exception | None:
        """Ask the service whether it is up; give what went wrong."""
        client = self._client()
        if client is None:
            return requests.ConnectionError("the client is gone")
        url = f"{client.api_url.rstrip('/')}/info"

        def get() -> requests.Response:
            return client.session.get(url, timeout=(_INFO_S, _INFO_S), stream=False)

        try:
            response = self._in_time(get, _INFO_S)
        except requests.RequestException as error:
            return error
        if response.status_code >= 500:
            return requests.ConnectionError(f"status {response.status_code}")
        return None

    def _found_down(self, error: Exception) -> None:
        with self._lock:
            if self._up is False or self._closed:
                return
            self._up = False
        self._pause()
        self._empty_queue()
        self._say(f" ({type(error).__name__}); tracing is paused until it does")
        with contextlib.suppress(RuntimeError):  # the interpreter is ending
            threading.Thread(
                target=self._wait_until_up, name="agentlanes-langsmith-probe", daemon=True
            ).start()

    def _wait_until_up(self) -> None:
        pause_s = _FIRST_PAUSE_S
        with self._lock:
            while not self._closed and self._client() is not None:
                self._lock.wait(pause_s)
                self._lock.release()
                try:
                    error = self._ask()
                finally:
                    self._lock.acquire()
                if error is None:
                    break
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            if self._closed:
                return
            self._up = True
        self._resume()
        self._say(", and does again")

    def _pause(self) -> None:
        """Stop new runs from being traced, if it is this client that they would go to."""
        if langsmith.run_trees._CLIENT is not self._client():
            return
        if Context().run(langsmith.utils.tracing_is_enabled):
            Context().run(langsmith.configure, enabled=False)
            self._paused = True

    def _resume(self) -> None:
        if self._paused:
            by_environment = Settings.from_env().langsmith_tracing
            Context().run(langsmith.configure, enabled=None if by_environment else True)
            self._paused = False

    def _empty_queue(self) -> None:
        queue = self._queue
        while queue is not None:
            try:
                item = queue.get_nowait()
            except Empty:
                return
            self.lose(str(item.item.id))
            queue.task_done()

    def _say(self, how: str) -> None:
        lost = (self.lost_runs, self.untraced_steps)
        if lost == self._said:
            return
        self._said = lost
        more = f", and {lost[1]} steps were not traced" if lost[1] else ""
        _log.warning(
            "LangSmith at %s did not answer%s: %d runs of its traces were dropped%s. The agent is "
            "not affected; unset LANGSMITH_TRACING to do without",
            self._address,
            how,
            lost[0],
            more,
        )


class _Adapter(HTTPAdapter):
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
        how: dict[str, Any] = {"verify": verify, "cert": cert, "proxies": proxies, "stream": stream}
        if not _TRACING.search(f"{request.method} {urlsplit(request.url or '').path}"):
            return self._inner.send(request, timeout=timeout, **how)

        def transmit() -> requests.Response:
            response = super(_Adapter, self).send(request, timeout=(_CONNECT_S, _ANSWER_S), **how)
            if not stream:
                _ = response.content  # within the same time
            return response

        return self.guard.send(request, transmit)

    def close(self) -> None:
        super().close()
        self._inner.close()


class _Queue(PriorityQueue[Any]):
    """A queue of traced operations that is bounded by the size of all that is not done yet."""

    guard: Guard
    held: float

    @staticmethod
    def take_over(queue: PriorityQueue[Any], guard: Guard) -> None:
        """Bound a queue that langsmith's thread has in use already, and so cannot be replaced."""
        with queue.mutex:
            queue.__class__ = _Queue
            assert isinstance(queue, _Queue)
            queue.guard = guard
            queue.held = sum(_size(item) for item in queue.queue)

    def put_nowait(self, item: Any) -> None:
        size = _size(item)
        with self.mutex:
            room = not self.guard.down and self.held + size <= MAX_HELD_BYTES
        if not room:
            self.guard.lose(str(item.item.id))
            raise Full
        super().put_nowait(item)

    def _put(self, item: Any) -> None:
        self.held += _size(item)
        super()._put(item)

    def task_done(self) -> None:
        with self.mutex:  # which item is done is not said, so it counts as one of average size
            self.held -= self.held / max(1, self.unfinished_tasks)
        super().task_done()


class _Exit:
    """Ends every guard before the interpreter waits for langsmith's threads."""

    def __init__(self) -> None:
        self._guards: weakref.WeakSet[Guard] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._registered = False

    def watch(self, made: Guard) -> None:
        with self._lock:
            self._guards.add(made)
            if self._registered:
                return
            self._registered = True
        # atexit comes too late: the threads are waited for before it. This is what
        # concurrent.futures uses, from Python 3.9 on.
        threading._register_atexit(self._end)  # type: ignore[attr-defined]

    def guards(self) -> list[Guard]:
        return list(self._guards)

    def _end(self) -> None:
        for made in self.guards():
            made.end()


def _size(item: Any) -> int:
    size: int = item.item.calculate_serialized_size()
    return size


def _ids(body: bytes) -> set[str]:
    return {found.decode() for found in _OPERATION.findall(body)}


_exit = _Exit()
