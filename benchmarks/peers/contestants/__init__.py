"""Who takes part: a file each family, by name in `CONTESTANTS`."""

from __future__ import annotations

from benchmarks.peers.contestants import chat, dag, lanes, plan_execute, step_overlap
from benchmarks.peers.contestants.base import Contestant, Runner

__all__ = ["CONTESTANTS", "Contestant", "Runner"]

CONTESTANTS: dict[str, Contestant] = {
    **chat.CONTESTANTS,
    **plan_execute.CONTESTANTS,
    **step_overlap.CONTESTANTS,
    **dag.CONTESTANTS,
    **lanes.CONTESTANTS,
}
