"""A lane's chat model, made from the parameters that LangChain's standard tests give."""

from __future__ import annotations

from typing import Any

from agentlanes.config import Settings
from agentlanes.lanes.chat_model import LaneChatModel
from agentlanes.lanes.lane import Lane


class StandardLaneModel(LaneChatModel):
    """LangChain's standard parameters as those of a lane."""

    def __init__(
        self,
        *,
        model: str,
        url: str,
        temperature: float | None = None,
        max_tokens: int | None = None,
        api_key: str | None = None,
        stop: list[str] | None = None,
        timeout: float | None = None,  # a lane has four timers instead
        max_retries: int | None = None,
        streaming: bool | None = None,  # a lane decides that by itself
        output_version: str | None = None,
        lane: dict[str, Any] | None = None,
    ) -> None:
        made = Lane(
            model,
            base_url=url,
            api_key=api_key,
            temperature=temperature,
            max_tokens=max_tokens,
            max_attempts=3 if max_retries is None else max_retries + 1,
            extra_body={"stop": stop} if stop else {},
            **(lane or {}),
        )
        built = LaneChatModel.from_lane(made, "act", Settings())
        super().__init__(
            model_name=built.model_name,
            base_url=built.base_url,
            role=built.role,
            output_version=output_version,
        )
        self.__pydantic_private__ = built.__pydantic_private__
