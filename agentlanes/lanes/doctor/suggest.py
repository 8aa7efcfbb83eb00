"""The `Lane(...)` that an examination comes to."""

from __future__ import annotations

import statistics

from agentlanes.lanes.doctor.examine import Examination
from agentlanes.lanes.lane import DEFAULT_TIMERS, Timers

__all__ = ["suggestion"]

_ROOM = 8
"""How much longer than the usual first token a lane should wait."""


def suggestion(found: Examination, *, key_name: str | None = None) -> str:
    """Write the lane that the findings come to, as Python. The key is named, never shown.

    Args:
        found: The examination.
        key_name: The environment variable that holds the key, if there is one.
    """
    lane, facts = found.lane, found.facts
    parts = [repr(lane.model)]
    if lane.base_url is not None:
        parts.append(f"base_url={_safe(lane.base_url)!r}")
    if lane.api_key is not None:
        parts.append(f'api_key=os.environ["{key_name}"]' if key_name else "api_key=...")
    apis = [name for name, works in facts.apis.items() if works]
    api = lane.api if lane.api in apis or not apis else apis[0]
    if api != "chat":
        parts.append(f"api={api!r}")
    server = lane.server or facts.server
    if server is not None:
        parts.append(f"server={server!r}")
    tool_format = lane.tool_format
    if facts.native_tools is not None:
        tool_format = "native" if facts.native_tools or not facts.json_tools else "json"
    if tool_format != "native":
        parts.append(f"tool_format={tool_format!r}")
    if facts.schema is False or (facts.schema is None and lane.structured == "prompt"):
        parts.append("structured='prompt'")
    for name in ("temperature", "max_tokens", "reasoning_effort", "service_tier"):
        if getattr(lane, name) is not None:
            parts.append(f"{name}={getattr(lane, name)!r}")
    if facts.streams is False:
        parts.append("extra_body={'stream': False}")
    timers = _timers(found)
    if timers is not None:
        shown = ", ".join(f"{name}={getattr(timers, name):g}" for name in Timers.__slots__)
        parts.append(f"timers=Timers({shown})")
    return f"{found.role} = Lane({', '.join(parts)})"


def _timers(found: Examination) -> Timers | None:
    """Give longer timers if the usual ones would be too short for what was seen."""
    given = found.lane.timers
    if given is not None:
        return given
    usual, facts = DEFAULT_TIMERS[found.role], found.facts
    usually_ms = statistics.median(facts.first_ms) if facts.first_ms else 0.0
    first_s = max(usually_ms, facts.cold_ms or 0.0) / 1000
    total_s = max(facts.total_ms, default=0.0) / 1000
    if first_s * 2 <= usual.first_token_s and total_s * 2 <= usual.total_s:
        return None
    first_token_s = max(usual.first_token_s, round(first_s * _ROOM))
    return Timers(
        connect_s=max(usual.connect_s, 5),
        first_token_s=first_token_s,
        progress_s=max(usual.progress_s, 60),
        total_s=max(usual.total_s, first_token_s * 2, round(total_s * _ROOM)),
    )


def _safe(url: str) -> str:
    from agentlanes.lanes.urls import safe_url

    return safe_url(url)
