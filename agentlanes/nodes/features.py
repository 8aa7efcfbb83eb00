"""What the router is told of a step besides its words."""

from __future__ import annotations

from langchain_core.messages import ToolMessage

from agentlanes.nodes.parts import Parts
from agentlanes.router.router import StepFeatures
from agentlanes.state import AgentState

__all__ = ["step_features"]


def step_features(parts: Parts, state: AgentState) -> StepFeatures:
    """Read a step's features off the committed state."""
    messages, plan = state["messages"], state.get("plan")
    recent = [m for m in messages[-6:] if isinstance(m, ToolMessage)]
    pending = len(plan["steps"]) - plan["done"] if plan and plan["status"] == "approved" else 0
    return StepFeatures(
        node="route",
        new_user_turn=not state["committed"],
        n_tools=len(parts.tools),
        pending_plan_steps=pending,
        context_tokens=sum(parts.tokens.of(messages)),
        irreversible_reachable=parts.fences,
        recent_tool_errors=sum(message.status == "error" for message in recent),
        failed_validations=state["run"]["corrections"],
    )
