"""Sessions: state that a family of tools shares, and that can be forked.

A shell's working folder, a cursor, a random generator: calls that move such a state cannot run
ahead on the real one, but they can on a copy. Inside a window every such call works on a fork of
the one before it; `settle` takes over the fork of the last call that was committed, and the rest
is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

from agentlanes.errors import InvalidTool

__all__ = ["Session"]

T = TypeVar("T")


class Session(Generic[T]):
    """A value that session tools work on, and how to copy it.

    Args:
        value: The state at the start.
        fork: Copies a state so that neither notices what is done to the other; `value.fork` by
            default.

    Attributes:
        value: The committed state.

    Raises:
        InvalidTool: The value has no `fork` and none was given. Leave the session out then: a
            tool of class `session` without one waits at a fence.

    Example:
        >>> from agentlanes import effect
        >>> shell = Session({"folder": "/"}, fork=dict)
        >>> @effect("session", session=shell)
        ... def cd(folder: str) -> str:
        ...     "Go to a folder."
        ...     shell.current["folder"] = folder
        ...     return folder
        >>> with shell.using(shell.fork(shell.value)) as there:
        ...     cd("/tmp")
        '/tmp'
        >>> shell.value, there
        ({'folder': '/'}, {'folder': '/tmp'})
    """

    def __init__(self, value: T, fork: Callable[[T], T] | None = None) -> None:
        copy: Any = fork if fork is not None else getattr(value, "fork", None)
        if not callable(copy):
            raise InvalidTool(
                f"a {type(value).__name__} has no fork(); give Session(value, fork=...), for "
                "instance copy.deepcopy"
            )
        self.value = value
        self._copies_itself = fork is None
        self._fork = copy
        self._here: ContextVar[T] = ContextVar("agentlanes_session")

    @property
    def current(self) -> T:
        """What a tool works on: the fork of its window, or the committed state."""
        return self._here.get(self.value)

    def fork(self, state: T) -> T:
        """Copy a state."""
        forked: T = state.fork() if self._copies_itself else self._fork(state)  # type: ignore[attr-defined]
        return forked

    @contextmanager
    def using(self, state: T) -> Iterator[T]:
        """Have `current` be a state, in this task and those it starts."""
        token = self._here.set(state)
        try:
            yield state
        finally:
            self._here.reset(token)
