"""`verify="auto"`: whether one drafted call may go unverified, and why.

Only a `pure` or `read` call that may run ahead ever does; plans, finishing and fenced calls always
have a verdict. The decision is a function of the call, of what was said before it and of the
window's route, so a run that runs ahead decides as the serial one. Whatever goes wrong here means
that the call is verified.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage

from agentlanes.nodes.parts import Parts
from agentlanes.nodes.tooling import BoundTool
from agentlanes.router.decision import Route
from agentlanes.router.policy import level_at
from agentlanes.speculation.exchange import Mode

__all__ = ["call_mode"]

_log = logging.getLogger(__name__)


def call_mode(
    parts: Parts,
    route: Route,
    tool: BoundTool | None,
    args: Mapping[str, Any],
    *,
    fenced: bool,
    transcript: Sequence[BaseMessage],
    together: int,
) -> tuple[Mode, str]:
    """Say what a drafted call needs before it counts, and why.

    Args:
        parts: The agent's parts.
        route: The window's route.
        tool: The tool, if there is one of that name.
        args: The arguments.
        fenced: Whether it must not run before its verdict.
        transcript: What was said before it.
        together: Calls of its reply before it.

    Returns:
        The mode; for `skip`, what the draft check said.
    """
    mode = parts.mode(tool, route["profile"])
    wanted = parts.verify.of(tool.name if tool is not None else None, route["profile"])
    if wanted != "auto" or tool is None or fenced or parts.check is None:
        return mode, ""
    if not (tool.runs_ahead and tool.effect.harmless):
        return mode, ""
    try:
        quality = _quality(parts, route, _calls_since_asked(transcript) + together)
        if quality >= 1.0:
            return mode, ""
        score = parts.check.score(tool.name, args, transcript)
        if score.passes(quality):
            return "skip", f"not verified at quality {quality:.2f}: {score.explain()}"
    except Exception:
        _log.warning("a draft could not be checked, so it is verified", exc_info=True)
        return mode, ""
    return ("check" if parts.second else mode), ""


def _quality(parts: Parts, route: Route, ordinal: int) -> float:
    # A checkpoint of an older release knows nothing of the turn: its KeyError means a verdict.
    given, lock = route["quality"], route["lock"]
    if given is not None:
        return given
    return parts.policy.bar(level_at(lock, ordinal, parts.policy.calm_calls))


def _calls_since_asked(transcript: Sequence[BaseMessage]) -> int:
    """Count the tool calls since the user last spoke."""
    count = 0
    for message in transcript:
        count = 0 if isinstance(message, HumanMessage) else count + isinstance(message, ToolMessage)
    return count
