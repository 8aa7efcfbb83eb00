"""Ending requests that were made before there was anybody to bound them."""

from __future__ import annotations

import contextlib
import gc
import socket
import time
from collections.abc import Callable
from http.client import HTTPConnection
from urllib.parse import urlsplit

__all__ = ["hang_up"]

_FOR_S = 10.0  # langsmith's three retries take four seconds, then there are none
_EVERY_S = 0.5  # looking through all objects takes 15 ms


def hang_up(url: str, over: Callable[[], bool]) -> None:
    """Close this process's open connections to a host, again and again, for ten seconds.

    Nothing else knows of a connection that a thread is waiting on. It is closed for whoever waits,
    who hears that it broke, and may open another.

    Args:
        url: Where they lead.
        over: Says that it is no longer wanted.
    """
    host, last = urlsplit(url).hostname, time.monotonic() + _FOR_S
    while not over() and time.monotonic() < last:
        for one in gc.get_objects():
            if isinstance(one, HTTPConnection) and one.host == host and one.sock:
                with contextlib.suppress(OSError):
                    one.sock.shutdown(socket.SHUT_RDWR)
        time.sleep(_EVERY_S)
