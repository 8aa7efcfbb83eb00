"""The `Lane(...)` that an examination comes to."""

from __future__ import annotations

import statistics

from agentlanes.lanes.doctor.examine import Examination
from agentlanes.lanes.lane import DEFAULT_TIMERS, Timers
from agentlanes.lanes.urls import safe_url

__all__ = ["suggestion"]

_KEPT = ("temperature", "max_tokens", "reasoning_effort", "service_tier")
_ROOM = 3
"""How much longer than the usual first token a lane should wait."""


def suggestion(found: Examination, *, key_name: str | None = None) -> str:
    """Write the lane that the findings come to, as Python. The key is named, never shown.

    Args:
        found: The examination.
        key_name: The environment variable that holds the key, if there is one.
    """
    lane, facts = found.lane, found.facts
    apis = [name for name, works in facts.apis.items() if works]
    if not apis:
        return f"# {found.role}: nothing can be said of it before it answers"
    known: dict[str, str | None] = {
        "base_url": None if lane.base_url is None else repr(safe_url(lane.base_url)),
        "api_key": None if lane.api_key is None else "...",
        "api": _unless(lane.api if lane.api in apis else apis[0], "chat"),
        "server": _unless(lane.server or facts.server, None),
        "tool_format": _unless(_tool_format(found), "native"),
        "structured": "'prompt'" if _asks_only(found) else None,
        **{name: _unless(getattr(lane, name), None) for name in _KEPT},
        "extra_body": "{'stream': False}" if facts.streams is False else None,
    }
    if lane.api_key is not None and key_name is not None:
        known["api_key"] = f'os.environ["{key_name}"]'
    timers = _timers(found)
    if timers is not None:
        shown = ", ".join(f"{name}={getattr(timers, name):g}" for name in Timers.__slots__)
        known["timers"] = f"Timers({shown})"
    parts = [repr(lane.model), *(f"{name}={text}" for name, text in known.items() if text)]
    return f"{found.role} = Lane({', '.join(parts)})"


def _unless(value: object, usual: object) -> str | None:
    return None if value == usual else repr(value)


def _tool_format(found: Examination) -> str:
    facts = found.facts
    if facts.native_tools is None or not (facts.native_tools or facts.json_tools):
        return found.lane.tool_format
    return "native" if facts.native_tools else "json"


def _asks_only(found: Examination) -> bool:
    if found.facts.schema is None:
        return found.lane.structured == "prompt"
    return not found.facts.schema


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
