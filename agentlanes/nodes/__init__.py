"""The nodes of the state machine, one file a node. Assemble your own graph from them."""

from agentlanes.nodes.act import act_node, build_act_graph
from agentlanes.nodes.deliver import deliver_node
from agentlanes.nodes.effects import effects_node
from agentlanes.nodes.judge import MatchJudge, ModelJudge, SolutionJudge
from agentlanes.nodes.parts import Check, Judge, Judgement, Limits, Parts
from agentlanes.nodes.reason import reason_node
from agentlanes.nodes.route import branches, route_node
from agentlanes.nodes.settle import after_settle, settle_node

__all__ = [
    "Check",
    "Judge",
    "Judgement",
    "Limits",
    "MatchJudge",
    "ModelJudge",
    "Parts",
    "SolutionJudge",
    "act_node",
    "after_settle",
    "branches",
    "build_act_graph",
    "deliver_node",
    "effects_node",
    "reason_node",
    "route_node",
    "settle_node",
]
