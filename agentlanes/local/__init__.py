"""Local lanes: both models on this machine, served by llama.cpp, with no key and no account.

`local_lanes()` (async) and `LocalLanes` (sync) fetch the weights once, start one server process a
lane and give the two `Lane`s; `agentlanes up` does the same from the command line. Needs the
extra `agentlanes[local]`. Importing this package loads none of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentlanes.local.catalog import DEFAULT_ACT, DEFAULT_REASON, MODELS, KnownModel
    from agentlanes.local.lanes import LocalLanes, local_lanes
    from agentlanes.local.process import LocalServer
    from agentlanes.local.weights import Sources, resolve

__all__ = [
    "DEFAULT_ACT",
    "DEFAULT_REASON",
    "MODELS",
    "KnownModel",
    "LocalLanes",
    "LocalServer",
    "Sources",
    "local_lanes",
    "resolve",
]

_HOME = {
    "DEFAULT_ACT": "catalog",
    "DEFAULT_REASON": "catalog",
    "MODELS": "catalog",
    "KnownModel": "catalog",
    "LocalLanes": "lanes",
    "LocalServer": "process",
    "Sources": "weights",
    "local_lanes": "lanes",
    "resolve": "weights",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"agentlanes.local.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
