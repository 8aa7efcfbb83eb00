"""URLs as they may be shown. Imports nothing of weight: a `Lane` alone uses it."""

from __future__ import annotations

import re

__all__ = ["safe_url"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_HOST = re.compile(r"(?:[^\[\]:@]*|\[[0-9A-Fa-f:.%]*\])(?::\d{0,5})?")


def safe_url(url: str) -> str:
    """Give a URL without user, password, query and fragment.

    Made for reprs and messages, so it never raises. An `@` behind the first slash may end a
    password that holds a slash, or belong to the path. Where that cannot be told, nothing but the
    scheme is shown.

    Example:
        >>> safe_url("https://me:secret@host:8080/v1?key=1")
        'https://host:8080/v1'
        >>> safe_url("me:secret@host:8080/v1")
        'host:8080/v1'
        >>> safe_url("http://me:1/2@host/v1")  # or is it the path /2@host/v1 of me:1?
        'http://***'
    """
    scheme, mark, rest = url.partition("://")
    if not mark or _SCHEME.fullmatch(scheme) is None:
        scheme, mark, rest = "", "//" * url.startswith("//"), url.removeprefix("//")
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    authority, tail = rest[:end], rest[end:]
    path = re.split(r"[?#]", tail, maxsplit=1)[0]
    if "@" in tail:
        plain = _HOST.fullmatch(authority) is not None
        if not plain and rest.count("@") == 1:  # no host, so the beginning of a password
            return scheme + mark + re.split(r"[?#]", rest.partition("@")[2], maxsplit=1)[0]
        if "@" in path or not plain or ":" in authority:
            return f"{scheme}{mark}***"
    return scheme + mark + authority.rpartition("@")[2] + path
