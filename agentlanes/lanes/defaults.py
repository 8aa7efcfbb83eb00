"""The two lanes of whoever says nothing: from the environment, or this machine's own.

Imports nothing of weight; what this machine's lanes have in common is said here once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agentlanes.config import Settings
from agentlanes.lanes.lane import Lane, LaneRole, Timers

__all__ = [
    "LOCAL_MAX_TOKENS",
    "LOCAL_PORTS",
    "LOCAL_TIMERS",
    "default_lanes",
    "default_local_url",
    "local_lane",
    "unreachable_hint",
]

LOCAL_PORTS: Mapping[LaneRole, int] = {"act": 8401, "reason": 8402}
"""Where `agentlanes up` serves the lanes unless told otherwise."""

LOCAL_MAX_TOKENS: Mapping[LaneRole, int] = {"act": 768, "reason": 1536}
"""Cap on a reply's tokens; a small model that loops would fill its context otherwise."""

LOCAL_TIMERS = Timers(connect_s=5, first_token_s=180, progress_s=60, total_s=600)
"""For two cores: a cold prompt of two thousand tokens takes the reason lane half a minute, and a
request may wait for the one before it. The usual timers would cut both."""


def default_lanes(settings: Settings | None = None) -> tuple[Lane, Lane]:
    """Give an act and a reason lane.

    `AGENTLANES_ACT_URL` and `AGENTLANES_REASON_URL` come first (with `..._MODEL`, and `..._KEY`
    where they ask for one), then an OpenAI key, then the local lanes of `agentlanes up`. Opens no
    connection: a lane that is not there says so when it is asked.

    Args:
        settings: Instead of the environment's.

    Example:
        >>> act, reason = default_lanes(Settings(act_url="http://127.0.0.1:1/v1", act_model="m"))
        >>> act
        Lane('m', base_url='http://127.0.0.1:1/v1')
    """
    known = settings or Settings.from_env()
    hosted = known.openai_api_key is not None
    if known.act_url or (hosted and known.act_model):
        act = Lane(known.act_model or "act", base_url=known.act_url, api_key=known.act_key)
    else:
        act = Lane("gpt-5-nano") if hosted else _local("act")
    if known.reason_url or (hosted and known.reason_model):
        reason = Lane(
            known.reason_model or "reason", base_url=known.reason_url, api_key=known.reason_key
        )
    else:
        reason = Lane("gpt-5.5", reasoning_effort="high") if hosted else _local("reason")
    return act, reason


def local_lane(
    role: LaneRole,
    model: str,
    base_url: str,
    *,
    examples: Sequence[tuple[str, Mapping[str, Any]]] = (),
) -> Lane:
    """Give a lane that a small model on this machine serves.

    Args:
        role: Which lane; decides the cap on a reply's tokens.
        model: The model's name at its server.
        base_url: Where the server is.
        examples: Worked examples of tool use, see `Lane.examples`.

    Example:
        >>> local_lane("act", "qwen", "http://127.0.0.1:8401/v1").max_tokens
        768
    """
    # native tool calls of models this small are mostly unusable, schemas are enforced exactly
    return Lane(
        model,
        base_url=base_url,
        tool_format="json",
        structured="json_schema",
        examples=tuple(examples),
        temperature=0,
        max_tokens=LOCAL_MAX_TOKENS[role],
        timers=LOCAL_TIMERS,
    )


def default_local_url(role: LaneRole) -> str:
    """Give the URL at which `agentlanes up` serves a lane unless told otherwise."""
    return f"http://127.0.0.1:{LOCAL_PORTS[role]}/v1"


def unreachable_hint(base_url: str) -> str:
    """Say what to do about an endpoint that nobody answers at.

    Example:
        >>> unreachable_hint("http://127.0.0.1:1/v1")
        'check that the endpoint is up and that base_url is right'
    """
    if base_url.rstrip("/") in map(default_local_url, LOCAL_PORTS):
        return (
            "start this machine's lanes with `agentlanes up`, or set OPENAI_API_KEY, or "
            "AGENTLANES_ACT_URL and AGENTLANES_REASON_URL, to use others"
        )
    return "check that the endpoint is up and that base_url is right"


def _local(role: LaneRole) -> Lane:
    return local_lane(role, role, default_local_url(role))
