"""Deadlines of a run and of its steps, for the nodes below."""

from __future__ import annotations

import asyncio
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from agentlanes.errors import VerdictUnavailable
from agentlanes.lanes.policies.deadline import deadline_scope
from agentlanes.nodes.parts import Node, Parts
from agentlanes.state import AgentState

__all__ = ["in_time"]


def in_time(parts: Parts, node: Node, *, begins: bool = True) -> Node:
    """Have every lane call in a node end within the run's deadline and the step's.

    A run's time is that of one invocation, so a person who is waited for takes none of it. Tools
    have their own bound: a call that has started is never abandoned. What is committed stays so,
    and the run can be resumed, with a new deadline.

    Args:
        parts: Whose limits.
        node: The node.
        begins: Whether the node does not begin after the deadline. A branch of a window always
            begins: its own lane calls say that the time is over, and its sibling ends orderly.
    """
    limits = parts.limits
    if limits.run_timeout_s is None and limits.step_timeout_s is None:
        return node

    async def bounded(
        state: AgentState, config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, Any]:
        at = None
        if limits.run_timeout_s is not None:
            custody = await parts.custodies.of(config, runtime)
            at = custody.began + limits.run_timeout_s
        with deadline_scope(at, step_timeout_s=limits.step_timeout_s) as deadline:
            if begins and at is not None and asyncio.get_running_loop().time() >= at:
                raise deadline.error()
            try:
                update: dict[str, Any] = await node(state, config, runtime)
            except VerdictUnavailable:
                if at is not None and asyncio.get_running_loop().time() >= at:
                    raise deadline.error() from None  # the verdict would have come after it
                raise
        return update

    return bounded
