"""Dual-lane agents on LangGraph: a fast lane acts ahead while a reasoning lane verifies.

Names are loaded when they are first used: importing the package opens nothing and stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentlanes.config import Secret, Settings
    from agentlanes.errors import AgentLanesError, NotApplied
    from agentlanes.graph import assemble, build_agent, build_parts
    from agentlanes.lanes.chat_model import LaneChatModel
    from agentlanes.lanes.lane import Lane
    from agentlanes.latency.record import StepRecord
    from agentlanes.nodes.parts import Judge, Judgement, Limits, Parts, VerifyPolicy
    from agentlanes.router import LanePolicy, Router, load_router
    from agentlanes.runtime import run_sync
    from agentlanes.speculation.admission import Admission
    from agentlanes.speculation.effects import Effect, effect
    from agentlanes.speculation.exchange import Case
    from agentlanes.speculation.ledger import Ledger, MemoryLedger
    from agentlanes.speculation.session import Session
    from agentlanes.state import AgentState

__version__ = "0.1.0"

_HOME = {
    "Admission": "speculation.admission",
    "AgentLanesError": "errors",
    "AgentState": "state",
    "Case": "speculation.exchange",
    "Effect": "speculation.effects",
    "Judge": "nodes.parts",
    "Judgement": "nodes.parts",
    "Lane": "lanes.lane",
    "LaneChatModel": "lanes.chat_model",
    "LanePolicy": "router.policy",
    "Ledger": "speculation.ledger",
    "Limits": "nodes.parts",
    "MemoryLedger": "speculation.ledger",
    "NotApplied": "errors",
    "Parts": "nodes.parts",
    "Router": "router",
    "Secret": "config",
    "Session": "speculation.session",
    "Settings": "config",
    "StepRecord": "latency.record",
    "VerifyPolicy": "nodes.parts",
    "assemble": "graph",
    "build_agent": "graph",
    "build_parts": "graph",
    "effect": "speculation.effects",
    "load_router": "router",
    "run_sync": "runtime",
}

__all__ = [
    "Admission",
    "AgentLanesError",
    "AgentState",
    "Case",
    "Effect",
    "Judge",
    "Judgement",
    "Lane",
    "LaneChatModel",
    "LanePolicy",
    "Ledger",
    "Limits",
    "MemoryLedger",
    "NotApplied",
    "Parts",
    "Router",
    "Secret",
    "Session",
    "Settings",
    "StepRecord",
    "VerifyPolicy",
    "assemble",
    "build_agent",
    "build_parts",
    "effect",
    "load_router",
    "run_sync",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'agentlanes' has no attribute {name!r}")
    value = getattr(import_module(f"agentlanes.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
