"""URLs as they may be shown. Imports nothing of weight: a `Lane` alone uses it."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

__all__ = ["safe_url"]


def safe_url(url: str) -> str:
    """Give a URL without user, password, query and fragment.

    Made for reprs and messages, so it never raises: what cannot be read as a URL loses everything
    up to its last `@` and everything from its first `?` or `#`.

    Example:
        >>> safe_url("https://me:secret@host:8080/v1?key=1")
        'https://host:8080/v1'
        >>> safe_url("me:secret@host:8080/v1")
        'host:8080/v1'
    """
    try:
        parts = urlsplit(url)
        readable = bool(parts.netloc) and parts.port != 0
    except ValueError:  # no port, or no IPv6 address: maybe a password with a slash in it
        readable = False
    if not readable:
        scheme, mark, rest = url.rpartition("://")
        host = rest.rpartition("@")[2].partition("?")[0].partition("#")[0]
        return f"{scheme.rpartition('@')[2]}{mark}{host}"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
