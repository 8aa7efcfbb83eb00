"""Deliver: the act lane writes the final answer from committed work."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from agentlanes.context.prompts import deliver_prompt
from agentlanes.lanes.call import ask, lane_config
from agentlanes.nodes.parts import Node, Parts
from agentlanes.nodes.records import publish, record_of
from agentlanes.state import AgentState

__all__ = ["deliver_node"]


def deliver_node(
    parts: Parts,
) -> Node:
    """Make the `deliver` node."""

    async def deliver(
        state: AgentState, config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, Any]:
        messages = deliver_prompt(parts.system_prompt, state["messages"], state.get("draft_answer"))
        reply = await ask(parts.act, messages, lane_config(config, "act", "answer", "final"))
        answer = str(reply.message.text) or state.get("draft_answer") or ""
        facts = {**reply.facts("act")["record"], "node": "deliver"}
        record = record_of(state, **facts, outcome="committed", wasted_ms=0.0)
        final = AIMessage(
            content=answer,
            id=reply.message.id,
            usage_metadata=reply.message.usage_metadata,
            response_metadata=reply.message.response_metadata,
        )
        return {
            "messages": [final],
            "answer": answer,
            "steps": publish(state, [(record, None)], runtime.stream_writer),
            "correction": None,
            "carry": None,
            "brief": None,
            "draft_answer": None,
        }

    return deliver
