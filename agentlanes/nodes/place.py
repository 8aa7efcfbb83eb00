"""Where an agent's graph runs: on its own, or as a task of graphs above it.

A thread's name leaves out which task of the graph above it is: it is the same for an agent that
a person writes to again. A place says that too, and from which checkpoint of the graph above its
tasks were made, so that runs which are under way side by side (`Send`) can be told from runs that
came one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

__all__ = ["are_beside", "checkpoints_at", "place_of", "saver_of", "thread_of"]


def saver_of(config: RunnableConfig) -> BaseCheckpointSaver[Any] | None:
    """Give the checkpointer that a node's run is saved with."""
    found = (config.get("configurable") or {}).get("__pregel_checkpointer")
    return found if isinstance(found, BaseCheckpointSaver) else None


def checkpoints_at(config: RunnableConfig) -> dict[str, Any]:
    """Name the graph's own checkpoints: a node's namespace is one level below."""
    given = config.get("configurable") or {}
    above, _, _ = str(given.get("checkpoint_ns") or "").rpartition("|")
    return {"thread_id": given.get("thread_id"), "checkpoint_ns": above}


def thread_of(config: RunnableConfig) -> str:
    """Name the thread: of a subgraph, together with the nodes above it."""
    found = checkpoints_at(config)
    above = "|".join(part.split(":")[0] for part in found["checkpoint_ns"].split("|"))
    return f"{found['thread_id']}|{above}" if above else str(found["thread_id"])


def place_of(config: RunnableConfig) -> str:
    """Name the tasks that the graph is in, from the outermost, each with its checkpoint.

    Example:
        >>> place_of({"configurable": {"checkpoint_ns": "plan:7|route:3"}})
        '/plan:7'
        >>> place_of({"configurable": {"checkpoint_ns": "route:3"}})
        ''
    """
    made_from = (config.get("configurable") or {}).get("checkpoint_map") or {}
    above, place = "", []
    for task in _tasks(checkpoints_at(config)["checkpoint_ns"]):
        place.append(f"{made_from.get(above, '')}/{task}")
        above = f"{above}|{task}" if above else task
    return " ".join(place)


def are_beside(one: str, other: str) -> bool:
    """Say whether two places are, or are in, different tasks of one step of a graph.

    Example:
        >>> are_beside("c1/plan:7", "c1/plan:8"), are_beside("c1/plan:7", "c2/plan:8")
        (True, False)
        >>> are_beside("c1/plan:7 c3/a:1", "c1/plan:8 c4/a:2"), are_beside("", "c1/plan:7")
        (True, False)
    """
    for ours, theirs in zip(one.split(), other.split(), strict=False):
        if ours != theirs:
            checkpoint = ours.partition("/")[0]
            return bool(checkpoint) and checkpoint == theirs.partition("/")[0]
    return False


def _tasks(namespace: str) -> Iterator[str]:
    """Take a namespace apart; a number says how often the task has called a graph before."""
    task = ""
    for part in namespace.split("|"):
        if task and not part.isdecimal():
            yield task
            task = ""
        task = f"{task}|{part}" if task else part
    if task:
        yield task
