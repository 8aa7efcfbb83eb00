"""HTTP clients of a lane: one for each event loop, closed when the loop ends."""

from __future__ import annotations

import base64
import functools
import ssl
import threading
import weakref
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from agentlanes.config import Secret
from agentlanes.errors import ConfigError
from agentlanes.lanes import closing
from agentlanes.lanes.lane import Timers
from agentlanes.lanes.urls import safe_url
from agentlanes.redact import remember

if TYPE_CHECKING:
    import httpx2
    import openai

__all__ = ["Clients"]

_PLACEHOLDER = "no-key"  # endpoints that ask for no key ignore it; the SDK wants one

_PLAIN_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
    }
)


class Clients:
    """The clients that talk to one endpoint. Connections are made on first use.

    An `AsyncOpenAI` client belongs to the event loop that it was first used in, so there is one for
    each running loop. It is closed by `aclose`, or when its loop shuts its asynchronous generators
    down (`asyncio.run` and `asyncio.Runner` do), or when this object is dropped, so that no socket
    is left to the garbage collector.

    Args:
        base_url: The endpoint.
        key: The key, if it asks for one.
        timers: Connect and total bound the SDK's own timeouts, which are a safety net only.
        ambient: Whether the endpoint is the environment's, or OpenAI's by default. Any other is
            sent nothing that the SDK finds in the environment by itself: organization, project
            and `OPENAI_CUSTOM_HEADERS`, which may hold a credential.
    """

    def __init__(
        self, base_url: str, key: Secret | None, timers: Timers, *, ambient: bool = False
    ) -> None:
        # Loading these takes the better part of a second, and reads files: better while an agent is
        # built than in the event loop, on its first call.
        import openai  # noqa: F401

        _ssl_context()
        self._base_url, self._basic = _without_login(base_url)
        self._key = key
        for secret in (key, *self._basic):
            if secret is not None:
                remember(secret)
        self._timers = timers
        self._ambient = ambient
        self._token = closing.Token()
        weakref.finalize(self, closing.release_soon, self._token).atexit = False
        self._sync: openai.OpenAI | None = None
        self._close_sync: weakref.finalize[[], Clients] | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return "Clients()"

    async def acquire(self) -> openai.AsyncOpenAI:
        """Give the client of the running loop."""
        return await closing.acquire(self._token, self._build_async)

    def acquire_sync(self) -> openai.OpenAI:
        """Give the client for callers without an event loop; it may be shared by threads."""
        with self._lock:
            if self._sync is None:
                self._sync = self._build_sync()
                self._close_sync = weakref.finalize(self, self._sync.close)
            return self._sync

    async def aclose(self) -> None:
        """Close the running loop's client and the synchronous one. Both may be used again."""
        await closing.release(self._token)
        with self._lock:
            close, self._sync, self._close_sync = self._close_sync, None, None
        if close is not None:
            close()

    def _build_async(self) -> openai.AsyncOpenAI:
        import openai

        return openai.AsyncOpenAI(
            api_key=self._reveal(),
            base_url=self._base_url,
            default_headers=self._headers(),
            max_retries=0,  # the lane client owns all retries
            http_client=openai.DefaultAsyncHttpxClient(
                timeout=self._timeout(self._timers.total_s),
                verify=_ssl_context(),
                event_hooks={"request": [] if self._ambient else [_strip_async]},
            ),
        )

    def _build_sync(self) -> openai.OpenAI:
        import openai

        # Without a loop nothing can interrupt a read but its own timeout.
        read_s = min(self._timers.total_s, max(self._timers.first_token_s, self._timers.progress_s))
        return openai.OpenAI(
            api_key=self._reveal(),
            base_url=self._base_url,
            default_headers=self._headers(),
            max_retries=0,
            http_client=openai.DefaultHttpxClient(
                timeout=self._timeout(read_s),
                verify=_ssl_context(),
                event_hooks={"request": [] if self._ambient else [_strip]},
            ),
        )

    def _reveal(self) -> str:
        return _PLACEHOLDER if self._key is None else self._key.reveal()

    def _headers(self) -> dict[str, str]:
        if self._basic:
            return {"Authorization": f"Basic {self._basic[0].reveal()}"}
        # Said outright, since the SDK lets an authorization of OPENAI_CUSTOM_HEADERS win otherwise.
        return {} if self._ambient else {"Authorization": f"Bearer {self._reveal()}"}

    def _timeout(self, read_s: float) -> httpx2.Timeout:
        import httpx2

        return httpx2.Timeout(
            connect=self._timers.connect_s,
            read=read_s,
            write=self._timers.total_s,
            pool=self._timers.total_s,
        )


def _without_login(base_url: str) -> tuple[str, tuple[Secret, ...]]:
    """Take user and password out of a URL, since HTTP clients log the URLs of their requests.

    Returns:
        The URL, and nothing or the credentials as RFC 7617 sends them, followed by the password.

    Raises:
        ConfigError: The URL cannot be read.
    """
    try:
        parts = urlsplit(base_url)
        readable = parts.port != 0 and "@" not in parts.path
    except ValueError:
        readable = False
    if not readable:
        raise ConfigError(
            f"base_url {safe_url(base_url)!r} cannot be read; a '/', '?', '#' or '@' in its "
            "password is written as %2F, %3F, %23 or %40"
        )
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return base_url, ()
    user, _, password = login.partition(":")
    basic = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), (Secret(basic), Secret(unquote(password)))


def _strip(request: httpx2.Request) -> None:
    for name in [name for name in request.headers if name.lower() not in _PLAIN_HEADERS]:
        del request.headers[name]


async def _strip_async(request: httpx2.Request) -> None:
    _strip(request)


@functools.cache
def _ssl_context() -> ssl.SSLContext:
    # 25 ms each on a slow core, and the same for every client
    import httpx2

    return httpx2.create_ssl_context()
