"""Stand-ins for endpoints and models, for tests, benchmarks and examples.

`EndpointServer` speaks the OpenAI Chat Completions protocol over a real socket and answers from a
script of yours; it needs the extra `testing`. `ScriptedModel` is a chat model inside the process
and needs nothing, nor does `VirtualClock`, an event loop whose seconds pass at once.
`audit_effect` runs a tool and says whether its declared effect class is true.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentlanes.testing.audit import Auditor, EffectAudit, audit_effect, audit_table
    from agentlanes.testing.clock import Deadlock, RealTrafficRefused, VirtualClock
    from agentlanes.testing.endpoint import EndpointServer, RequestLog, Script
    from agentlanes.testing.faults import Fault, on_requests, parse_fault, random_faults
    from agentlanes.testing.hostile import HOSTILE_ARGUMENTS
    from agentlanes.testing.latency import Latency, LogNormal
    from agentlanes.testing.reply import Reply
    from agentlanes.testing.scripted import ScriptedCall, ScriptedModel
    from agentlanes.testing.snapshot import Snapshot
    from agentlanes.testing.standin import StandIn

__all__ = [
    "HOSTILE_ARGUMENTS",
    "Auditor",
    "Deadlock",
    "EffectAudit",
    "EndpointServer",
    "Fault",
    "Latency",
    "LogNormal",
    "RealTrafficRefused",
    "Reply",
    "RequestLog",
    "Script",
    "ScriptedCall",
    "ScriptedModel",
    "Snapshot",
    "StandIn",
    "VirtualClock",
    "audit_effect",
    "audit_table",
    "on_requests",
    "parse_fault",
    "random_faults",
]

_HOMES = {
    "Auditor": "audit",
    "Deadlock": "clock",
    "EffectAudit": "audit",
    "EndpointServer": "endpoint",
    "Fault": "faults",
    "HOSTILE_ARGUMENTS": "hostile",
    "Latency": "latency",
    "LogNormal": "latency",
    "RealTrafficRefused": "clock",
    "Reply": "reply",
    "RequestLog": "endpoint",
    "Script": "endpoint",
    "ScriptedCall": "scripted",
    "ScriptedModel": "scripted",
    "Snapshot": "snapshot",
    "StandIn": "standin",
    "VirtualClock": "clock",
    "audit_effect": "audit",
    "audit_table": "audit",
    "on_requests": "faults",
    "parse_fault": "faults",
    "random_faults": "faults",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
