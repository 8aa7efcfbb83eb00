"""Looking up what is too large to be read each time: by which object it is."""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["Same"]

T = TypeVar("T")


class Same(Generic[T]):
    """A value that equals itself alone, so that a cache can find it without reading it.

    For schemas and lists of tools, which are made once and then shown with every request. The
    value must not be changed afterwards; a cache keeps it, so that no other gets its place.

    Example:
        >>> schema = {"type": "object"}
        >>> Same(schema) == Same(schema), Same(schema) == Same({"type": "object"})
        (True, False)
    """

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)
