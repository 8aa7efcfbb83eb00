"""LangSmith kept from harming the process: bounded in time and memory, and silent when it is down.

What langsmith 0.15 does by itself when its service is refused or accepts and never answers: its
thread is waited for at exit (a first `GET /info` may take four times 60 s), up to 10,000 operations
are kept however large they are, each is tried three times over, and tracing goes on costing as much
as the agent's own work. A guard changes that for one client, whoever made it:

- its requests go through an adapter that waits 3 s for a connection and 10 s for an answer, makes
  none while the service is down, and gives up when the process ends;
- its queue holds `MAX_HELD_BYTES` at most, and less while nothing is taken;
- before the first request, and whenever one found nobody, `GET /info` says whether the service is
  up. While it is not, tracing is paused (`langsmith.configure(enabled=False)`), and asked for again
  by a thread that the exit does not wait for;
- credentials are hidden in what is sent (`agentlanes.redact`), wherever in a run they are.

What is lost is counted, and said in a line when the service is found down and one at the end.
"""

from __future__ import annotations

import logging
import math
import re
import threading
import time
import weakref
from collections.abc import Callable
from contextvars import Context
from queue import Empty

import langsmith.run_trees
import langsmith.utils
import requests
from langsmith import Client

from agentlanes.config import Settings
from agentlanes.latency.bounded import ANSWER_S, CONNECT_S, BoundedAdapter, BoundedQueue
from agentlanes.latency.hang_up import hang_up
from agentlanes.redact import mask, redact

__all__ = ["MAX_HELD_BYTES", "MAX_HELD_STALLED_BYTES", "Guard", "guard", "note_untraced_steps"]

MAX_HELD_BYTES = 32 * 2**20
"""What waits to be sent and what is being sent, in bytes; what comes on top of it is dropped."""

MAX_HELD_STALLED_BYTES = 4 * 2**20
"""The same while nothing was taken for two seconds. In memory it is several times as much."""

_INFO_S = 3.0
_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 60.0
_IDLE_EXIT_S = 3.0  # at the end, how long to wait without anything being sent
_LONGEST_EXIT_S = 30.0
_STALLED_S = 2.0
_SETTLE_S = 1.0
_COUNTED = 100_000  # run ids remembered to count each lost run once

_OPERATION = re.compile(rb'name="(?:post|patch)\.([0-9a-f-]{36})"')

_log = logging.getLogger(__name__)


def guard(client: Client, *, late: bool = True) -> Guard:
    """Give a client's guard, made on the first call. Opens no connection.

    Args:
        client: The client.
        late: Whether it may have made requests already.
    """
    adapter = client.session.get_adapter(client.api_url)
    if isinstance(adapter, BoundedAdapter):
        return adapter.guard
    made = Guard(client, late=late)
    _exit.watch(made)
    return made


def note_untraced_steps(steps: int) -> None:
    """Count steps that had no tracer, if that is because tracing is paused."""
    for made in _exit.guards():
        made.note_untraced_steps(steps)


class Guard:
    """Guards one client, as the module says. Made by `guard`.

    Attributes:
        lost_runs: Runs that were dropped so far, wholly or in part.
        untraced_steps: Steps that were not traced since tracing was paused.
    """

    def __init__(self, client: Client, *, late: bool = True) -> None:
        self.lost_runs = 0
        self.untraced_steps = 0
        self._client = weakref.ref(client)
        self._late = late
        self._url = client.api_url
        self._address = redact(client.api_url)
        self._lock = threading.Condition()
        self._lost_ids: set[str] = set()
        self._said = (0, 0)
        self._up: bool | None = None
        self._closed = False
        self._paused = False
        self._sent = 0
        self._sent_at = -math.inf
        self._info_lock = threading.Lock()
        self._waiting: set[threading.Event] = set()
        self._queue = client.tracing_queue
        if self._queue is not None:
            BoundedQueue.take_over(self._queue, self)
        for scheme in ("http://", "https://"):
            inner = client.session.get_adapter(scheme)
            client.session.mount(scheme, BoundedAdapter(self, inner))
        if late:  # its thread may be waiting for an answer, and so would not ask
            _start(self._is_up)

    @property
    def down(self) -> bool:
        """Whether the service was found not to answer."""
        return self._up is False

    @property
    def paused(self) -> bool:
        """Whether new runs are not traced for now."""
        return self._paused

    def note_untraced_steps(self, steps: int) -> None:
        """Count steps that are not traced because tracing is paused."""
        if self._paused:
            self.untraced_steps += steps

    def admits(self, held: float) -> bool:
        """Say whether so many bytes may be held."""
        if self.down or self._closed:
            return False
        stalled = time.monotonic() - self._sent_at > _STALLED_S
        return held <= (MAX_HELD_STALLED_BYTES if stalled else MAX_HELD_BYTES)

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
        if self._late and self._up is None:
            _start(self._hang_up, 0.5)
        last, sent = time.monotonic() + _LONGEST_EXIT_S, self._sent
        while not self.drain(min(last, time.monotonic() + _IDLE_EXIT_S)):
            if self.down or self._sent == sent or time.monotonic() >= last:
                break
            sent = self._sent
        self.close()
        self._settle()
        if self._said != (self.lost_runs, self.untraced_steps):
            self._say("did not get {runs} runs in all, and {steps} steps were not traced")

    def _settle(self) -> None:
        """Wait a moment for what was being sent to be given up, so that it is counted."""
        queue = self._queue
        if queue is not None:
            with queue.all_tasks_done:
                queue.all_tasks_done.wait_for(lambda: not queue.unfinished_tasks, _SETTLE_S)

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
            response = self._in_time(transmit, CONNECT_S + ANSWER_S)
        except (requests.ConnectionError, requests.Timeout) as error:
            self.lose(*_ids(body))
            if tracing:
                self._found_down(error)
            raise
        self._sent += 1
        self._sent_at = time.monotonic()
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
            if _start(run):
                done.wait(timeout_s)
        finally:
            with self._lock:
                self._waiting.discard(done)
        if not outcome:
            raise requests.ConnectionError(f"{self._address} gave no answer in time")
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]

    def _hang_up(self, after_s: float) -> None:
        """End what was asked for before there was a guard: langsmith waits for it, also at exit."""
        time.sleep(after_s)
        hang_up(self._url, lambda: self._up is True)

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
        self._say(
            f"does not answer ({type(error).__name__}), so tracing is paused until it does; "
            "{runs} runs were dropped so far. The agent is not affected"
        )
        if self._late:
            _start(self._hang_up, 0.0)
        _start(self._wait_until_up)

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
        self._say("answers again; {runs} runs were dropped and {steps} steps not traced")

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

    def _say(self, what: str) -> None:
        self._said = (self.lost_runs, self.untraced_steps)
        runs, steps = self._said
        _log.warning("LangSmith at %s %s", self._address, what.format(runs=runs, steps=steps))


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
        # To look into a weak set takes a while even where there is nothing in it.
        return list(self._guards) if self._guards else []

    def _end(self) -> None:
        for made in self.guards():
            made.end()


def _start(run: Callable[..., object], *args: float) -> bool:
    """Run something in a thread that the exit does not wait for."""
    thread = threading.Thread(target=run, args=args, name="agentlanes-langsmith", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the interpreter is ending, and takes no more threads
        return False
    return True


def _ids(body: bytes) -> set[str]:
    return {found.decode() for found in _OPERATION.findall(body)}


_exit = _Exit()
