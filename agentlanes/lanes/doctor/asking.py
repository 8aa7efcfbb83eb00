"""Asking a lane for the examination's sake: one request, no second chance, a bound on its time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    HumanMessage,
    message_chunk_to_message,
)

from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.lane import Lane, LaneRole, Timers
from agentlanes.latency.record import lane_times

__all__ = ["Asking", "Heard"]

_MAX_TOKENS = 4096


class Heard:
    """A reply and how it came.

    Attributes:
        message: The reply.
        pieces: Chunks with content in them.
        first_ms: First token of any kind, where it was seen.
        total_ms: The whole reply.
    """

    def __init__(self, message: AIMessage, pieces: int, total_ms: float) -> None:
        self.message = message
        self.pieces = pieces
        times, self.tokens = lane_times(message, total_ms)
        firsts = [
            times.get("first_reasoning_ms"),
            times.get("first_content_ms"),
            times.get("first_tool_arg_ms"),
        ]
        known = [first for first in firsts if first is not None]
        self.first_ms = min(known) if known else None
        self.total_ms = times["duration_ms"]

    @property
    def reports(self) -> dict[str, Any]:
        """The server's own measurements."""
        return dict(self.message.response_metadata.get("server_reports") or {})


class Asking:
    """Makes requests as a lane would, with some of its settings changed.

    Args:
        lane: The lane.
        role: Its role.
        limit_s: Longest time for one request.
    """

    def __init__(self, lane: Lane, role: LaneRole, *, limit_s: float) -> None:
        timers = Timers(
            connect_s=min(5.0, limit_s), first_token_s=limit_s, progress_s=limit_s, total_s=limit_s
        )
        self.role: LaneRole = role
        self.lane = replace(
            lane,
            timers=timers,
            max_attempts=1,
            replicas=(),
            fallbacks=(),
            max_tokens=lane.max_tokens or _MAX_TOKENS,
            background=False,
            background_store=None,
        )

    def model(self, **changed: Any) -> LaneChatModel:
        """Give the chat model of the lane with some settings changed."""
        if changed.get("api") == "responses":
            changed.setdefault("prediction", False)
        if changed.get("api") == "chat":
            changed.setdefault("reasoning_summary", None)
        return LaneChatModel.from_lane(replace(self.lane, **changed), self.role)

    async def say(self, text: str, model: LaneChatModel, **options: Any) -> Heard:
        """Ask one thing, streamed if the lane streams.

        Raises:
            LaneError: No usable reply.
        """
        pieces, merged = 0, None
        async for chunk in model.astream([HumanMessage(text)], **options):
            assert isinstance(chunk, AIMessageChunk)
            pieces += bool(chunk.content)
            merged = chunk if merged is None else merged + chunk
        assert merged is not None
        message = message_chunk_to_message(merged)
        assert isinstance(message, AIMessage)
        return Heard(message, pieces, 0.0)
