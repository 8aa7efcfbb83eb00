"""The body of a reply that was not streamed, read with a bound. Pure."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["MAX_BODY_BYTES", "WholeBody"]

MAX_BODY_BYTES = 8 * 2**20
"""Longest body that is read."""


class WholeBody:
    """Takes a body piece by piece.

    Args:
        max_bytes: Longest body.

    Example:
        >>> body = WholeBody()
        >>> body.feed(b'{"a":')
        >>> body.feed(b" 1}")
        >>> body.value()
        {'a': 1}
    """

    def __init__(self, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._max_bytes = max_bytes
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> None:
        """Take a piece.

        Raises:
            ValueError: The body is too long.
        """
        self._size += len(piece)
        if self._size > self._max_bytes:
            raise ValueError(f"the body is longer than {self._max_bytes // 2**20} MiB")
        if self._pieces or piece.strip():  # some endpoints send white space while they work
            self._pieces.append(piece)

    def value(self) -> Any:
        """Give the JSON it holds.

        Raises:
            ValueError: It is none, or no UTF-8.
        """
        return json.loads(b"".join(self._pieces).decode())
