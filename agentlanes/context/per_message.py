"""Something worked out once for each message, however many prompts repeat it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from langchain_core.messages import BaseMessage

__all__ = ["PerMessage"]

T = TypeVar("T")


class PerMessage(Generic[T]):
    """Remembers what was worked out for messages for as long as they are in use.

    A transcript is shown again with every call of a run. What is asked of all its messages each
    time would grow with the square of its length.

    Messages are known by identity: they cannot be hashed, and to compare two takes longer than
    most questions about them. Two that are equal are worked out twice, to the same answer. A
    message is taken not to change once it is in a transcript; LangGraph puts another in its place.

    Args:
        work: Works it out for one message. It must be pure, and never give `None`.

    Example:
        >>> from langchain_core.messages import HumanMessage
        >>> length = PerMessage(lambda message: len(message.content))
        >>> length.of([HumanMessage("Hello."), HumanMessage("Bye.")])
        [6, 4]
    """

    __slots__ = ("_alive", "_known", "_work")

    def __init__(self, work: Callable[[BaseMessage], T]) -> None:
        self._work = work
        self._known: dict[int, T] = {}
        self._alive: dict[int, weakref.ref[BaseMessage]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, messages: Sequence[BaseMessage]) -> list[T]:
        """Give what was worked out for each message, in their order."""
        found = list(map(self._known.get, map(id, messages)))
        if None in found:
            return [
                self._add(message) if one is None else one
                for one, message in zip(found, messages, strict=True)
            ]
        return found  # type: ignore[return-value]

    def _add(self, message: BaseMessage) -> T:
        key, known, alive = id(message), self._known, self._alive

        def drop(_: object) -> None:  # before anything else can get the same id
            known.pop(key, None)
            alive.pop(key, None)

        worked = self._work(message)
        alive[key] = weakref.ref(message, drop)
        known[key] = worked
        return worked
