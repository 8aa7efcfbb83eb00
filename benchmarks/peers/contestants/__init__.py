"""Who takes part: a file each family, imported when one of its members is asked for.

So that those that need nothing but the library and LangGraph can run where langchain is missing.
"""

from __future__ import annotations

from importlib import import_module

from benchmarks.peers.contestants.base import Contestant, Runner

__all__ = ["CONTESTANTS", "Contestant", "Runner", "contestant"]

CONTESTANTS = {
    "create_agent-reason": "chat",
    "create_agent-reason-parallel": "chat",
    "create_agent-act": "chat",
    "create_agent-routed": "chat",
    "plan-execute": "plan_execute",
    "plan-execute-reason": "plan_execute",
    "plan-execute-batch": "plan_execute",
    "step-overlap": "step_overlap",
    "dag": "dag",
    "dag-fast-join": "dag",
    "dag-act": "dag",
    "agentlanes-serial": "lanes",
    "agentlanes-plan-serial": "lanes",
    "agentlanes-approve": "lanes",
    "agentlanes-match": "lanes",
    "agentlanes-plan": "lanes",
}
"""Each by name, with the module of its family."""


def contestant(name: str) -> Contestant:
    """Give who has a name.

    Args:
        name: One of `CONTESTANTS`; agentlanes with a run-ahead of another depth than its default
            is `agentlanes-approve:4`.

    Raises:
        KeyError: Nobody has it.
        ModuleNotFoundError: What it runs on is not installed.
    """
    base, _, depth = name.partition(":")
    family = import_module(f"{__name__}.{CONTESTANTS[base]}")
    made: Contestant = family.ahead(base, int(depth)) if depth else family.CONTESTANTS[base]
    return made
