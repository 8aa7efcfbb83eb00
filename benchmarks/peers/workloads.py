"""The workloads by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from benchmarks.peers.formal import formal_verification
from benchmarks.peers.items import BfclItems, Items
from benchmarks.peers.lengths import PREFIX, UNTRUSTED, of_length
from benchmarks.peers.planning import plan_validation
from benchmarks.peers.retrieval import retrieval

__all__ = ["WORKLOADS", "items_of"]

WORKLOADS: Mapping[str, Callable[[], Items]] = {
    "bfcl": lambda: BfclItems(joined=False),
    "bfcl-joined": lambda: BfclItems(joined=True),
    "retrieval": retrieval,
    "plan-validation": plan_validation,
    "formal-verification": formal_verification,
}


@cache
def items_of(name: str) -> Items:
    """Give a workload; it is made once a process.

    Args:
        name: One of `WORKLOADS`, or `steps-` and a number of calls, with `-untrusted`
            behind it or not.

    Raises:
        ModuleNotFoundError: What it is checked with is not installed.
    """
    if name.startswith(PREFIX):
        steps = name.removeprefix(PREFIX).removesuffix(UNTRUSTED)
        return of_length(int(steps), trusted=not name.endswith(UNTRUSTED))
    return WORKLOADS[name]()
