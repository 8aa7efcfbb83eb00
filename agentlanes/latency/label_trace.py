"""Label rows in LangSmith traces: in the metadata of the `settle` node's run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers.langchain import LangChainTracer
from langchain_core.tracers.schemas import Run

__all__ = ["LABELS_KEY", "are_traced", "trace_labels"]

LABELS_KEY = "agentlanes_labels"
"""Where a run's metadata holds the label rows of a window (`agentlanes.router.labels`)."""


def are_traced() -> bool:
    """Say whether the node that is at work has a run in a trace, for labels to go into."""
    return _open_run() is not None


def trace_labels(rows: Sequence[Mapping[str, Any]]) -> None:
    """Put a window's label rows into the trace. Called from inside a node, whose run is open.

    Does nothing where nothing is traced.
    """
    node = _open_run()
    if not rows or node is None:
        return
    # A copy: langchain-core lets runs share the metadata of their config.
    held = node.extra.get("metadata") or {}
    node.extra["metadata"] = {**held, LABELS_KEY: [dict(row) for row in rows]}


def _open_run() -> Run | None:
    config = var_child_runnable_config.get(None)
    callbacks = config.get("callbacks") if config is not None else None
    if not isinstance(callbacks, BaseCallbackManager):
        return None
    tracer = next((h for h in callbacks.handlers if isinstance(h, LangChainTracer)), None)
    node = tracer.run_map.get(str(callbacks.parent_run_id)) if tracer is not None else None
    return None if node is None or node.extra.get("__disabled") else node
