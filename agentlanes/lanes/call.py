"""One call to a lane, timed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig, patch_config

from agentlanes.lanes.lane import LaneRole
from agentlanes.lanes.structured import ask_structured
from agentlanes.latency.langsmith import TracedCall
from agentlanes.latency.record import lane_times

__all__ = ["LaneReply", "ask", "ask_for", "lane_config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneReply:
    """A reply with where its time went.

    Attributes:
        message: The reply.
        value: The structured value, when one was asked for.
        started: Loop time at the call.
        ended: Loop time at its end.
        model_run: The traced model run that waits for its step record, if any.
    """

    message: AIMessage
    value: dict[str, Any] | None
    started: float
    ended: float
    model_run: str | None = None

    def facts(self, lane: LaneRole) -> dict[str, Any]:
        """Give what a step record holds of the call, and its interval for the settling node."""
        times, tokens = lane_times(self.message, (self.ended - self.started) * 1000)
        return {
            "started": self.started,
            "ended": self.ended,
            "model_run": self.model_run,
            "record": {"lane": lane, "node": lane, "tokens": tokens, **times},
        }


def lane_config(config: RunnableConfig, lane: LaneRole, name: str, *tags: str) -> RunnableConfig:
    """Name and tag a lane call, so that traces and token streams say which lane spoke."""
    child = patch_config(config, run_name=name)
    child["tags"] = [*(config.get("tags") or []), f"lane:{lane}", *tags]
    child["metadata"] = {**(config.get("metadata") or {}), "agentlanes_lane": lane}
    return child


async def ask(
    model: Runnable[Any, Any], messages: Sequence[BaseMessage], config: RunnableConfig
) -> LaneReply:
    """Ask for a message.

    Raises:
        LaneError: From the lane's own client; other chat models raise what they raise.
    """
    clock = asyncio.get_running_loop().time
    started = clock()
    with TracedCall(config) as call:
        message = await model.ainvoke(list(messages), call.config)
    ended = clock()
    return LaneReply(
        message=message, value=None, started=started, ended=ended, model_run=call.run_id
    )


async def ask_for(
    model: BaseChatModel,
    messages: Sequence[BaseMessage],
    schema: dict[str, Any],
    config: RunnableConfig,
) -> LaneReply:
    """Ask for a value under a JSON schema.

    Raises:
        MalformedReply: The reply did not fit the schema, nor did the repaired one.
    """
    clock = asyncio.get_running_loop().time
    started = clock()
    with TracedCall(config) as call:
        reply = await ask_structured(
            model, messages, schema, name=schema["title"], config=call.config
        )
    ended = clock()
    return LaneReply(
        message=reply.message,
        value=reply.value,
        started=started,
        ended=ended,
        model_run=call.run_id,
    )
