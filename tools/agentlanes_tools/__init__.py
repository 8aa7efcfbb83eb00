"""Ready-made tools for agents, one family a file, each with its effect class declared.

Names are imported when they are first used, and optional packages when a tool first needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentlanes_tools.arithmetic import calculate, evaluate
    from agentlanes_tools.equivalence import check_equivalence, prove_equal
    from agentlanes_tools.outbox import Outbox
    from agentlanes_tools.retrieval import (
        Embedder,
        FolderIndex,
        Hit,
        WordLlamaEmbedder,
        read_file,
        search_folder,
    )

__all__ = [
    "Embedder",
    "FolderIndex",
    "Hit",
    "Outbox",
    "WordLlamaEmbedder",
    "calculate",
    "check_equivalence",
    "evaluate",
    "prove_equal",
    "read_file",
    "search_folder",
]

_HOMES = {
    "Embedder": "retrieval",
    "FolderIndex": "retrieval",
    "Hit": "retrieval",
    "Outbox": "outbox",
    "WordLlamaEmbedder": "retrieval",
    "calculate": "arithmetic",
    "check_equivalence": "equivalence",
    "evaluate": "arithmetic",
    "prove_equal": "equivalence",
    "read_file": "retrieval",
    "search_folder": "retrieval",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
