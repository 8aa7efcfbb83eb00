"""The router: what does a step need, the quick lane, the reasoning lane, or both."""

from agentlanes.router.draft import Draft, DraftCheck, DraftScore
from agentlanes.router.policy import LanePolicy
from agentlanes.router.profiles import PROFILES, Profile, target_met
from agentlanes.router.router import Router, RouteScore, StepFeatures
from agentlanes.router.rules import RuleRouter, load_router
from agentlanes.router.weights import Weights, load_weights

__all__ = [
    "PROFILES",
    "Draft",
    "DraftCheck",
    "DraftScore",
    "LanePolicy",
    "Profile",
    "RouteScore",
    "Router",
    "RuleRouter",
    "StepFeatures",
    "Weights",
    "load_router",
    "load_weights",
    "target_met",
]
