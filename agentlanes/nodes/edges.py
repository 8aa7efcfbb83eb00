"""Conditional edges that are taken in the same breath as the node's writes.

LangGraph saves what a node wrote and asks its edge where to go next afterwards. Where the edge is a
function, traced in a task of its own, a run that is cancelled between the two is saved with the
node's writes and without its next node: resumed, it ends there, without an answer and without an
error (LangGraph 1.2.22, `RunnableCallable.ainvoke`). An edge that never suspends leaves no such
instant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from langchain_core.runnables import Runnable, RunnableConfig

__all__ = ["Edge"]

S = TypeVar("S")
To = TypeVar("To", bound=str | list[str])


class Edge(Runnable[S, To]):
    """Names the next node; give it to `add_conditional_edges`.

    Args:
        path: Names the next node, or the next nodes, from the state. It must be quick and pure.

    Example:
        >>> edge = Edge(lambda state: state["next"])
        >>> edge.invoke({"next": "deliver"})
        'deliver'
    """

    def __init__(self, path: Callable[[S], To]) -> None:
        self._path = path
        self.name = getattr(path, "__name__", None)
        self.__doc__ = path.__doc__

    def invoke(self, input: S, config: RunnableConfig | None = None, **kwargs: Any) -> To:
        """Name the next node."""
        return self._path(input)

    async def ainvoke(self, input: S, config: RunnableConfig | None = None, **kwargs: Any) -> To:
        """Name the next node, without giving way to another task."""
        return self._path(input)
