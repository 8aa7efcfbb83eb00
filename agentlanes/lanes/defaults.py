"""The two lanes of whoever says nothing: from the environment, or this machine's own."""

from __future__ import annotations

from agentlanes.config import Settings
from agentlanes.lanes.lane import Lane

__all__ = ["LOCAL_PORTS", "default_lanes"]

LOCAL_PORTS = {"act": 8401, "reason": 8402}
"""Where `agentlanes up` serves the lanes unless told otherwise."""


def default_lanes(settings: Settings | None = None) -> tuple[Lane, Lane]:
    """Give an act and a reason lane.

    `AGENTLANES_ACT_URL` and `AGENTLANES_REASON_URL` (with `..._MODEL`) come first, then an OpenAI
    key, then the local lanes of `agentlanes up`. Opens no connection: a lane that is not there
    says so when it is asked.

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
        act = Lane(known.act_model or "act", base_url=known.act_url)
    else:
        act = Lane("gpt-5-nano") if hosted else _local("act")
    if known.reason_url or (hosted and known.reason_model):
        reason = Lane(known.reason_model or "reason", base_url=known.reason_url)
    else:
        reason = Lane("gpt-5.5", reasoning_effort="high") if hosted else _local("reason")
    return act, reason


def _local(role: str) -> Lane:
    return Lane(
        role,
        base_url=f"http://127.0.0.1:{LOCAL_PORTS[role]}/v1",
        tool_format="json",
        temperature=0.0,
    )
