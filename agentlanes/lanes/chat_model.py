"""The chat model of a lane: langchain-core's interface over `openai`'s Chat Completions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from dataclasses import replace
from typing import Any, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr

from agentlanes.config import Secret, Settings
from agentlanes.errors import ConfigError, MissingKey
from agentlanes.lanes.clients import Clients
from agentlanes.lanes.drivers import chunks, reply
from agentlanes.lanes.drivers_sync import chunks_sync, reply_sync
from agentlanes.lanes.endpoint import Endpoint
from agentlanes.lanes.lane import Lane, LaneRole
from agentlanes.lanes.lane_call import LaneCall
from agentlanes.lanes.policies.deadline import current
from agentlanes.lanes.request import OPENAI_URL, is_openai, read_tool_choice
from agentlanes.lanes.route import Route
from agentlanes.lanes.urls import safe_url

__all__ = ["LaneChatModel"]


class LaneChatModel(BaseChatModel):
    """Talks to one endpoint as one lane. Made by `Lane.chat_model` or `from_lane`.

    Every reply is streamed on the wire, also for `ainvoke`, so that the times of the first
    reasoning, content and tool-argument token are measured here. A lane whose endpoint cannot
    stream says so with `extra_body={"stream": False}`; those three times are then unknown.

    A reply counts only when it is complete and its tool calls are strict JSON. Failures that may go
    away are tried again, up to `lane.max_attempts` requests, as long as nothing was shown.

    The messages it gives have `tool_calls`, `usage_metadata` (with cached and reasoning tokens),
    `additional_kwargs["reasoning_content"]`, and in `response_metadata` `model_name`,
    `finish_reason`, `service_tier`, and `agentlanes_times` (`LaneTimes`).

    Example:
        >>> from agentlanes.config import Settings
        >>> lane = Lane("qwen", base_url="http://127.0.0.1:8080/v1")
        >>> LaneChatModel.from_lane(lane, "act", Settings()).model_name
        'qwen'
    """

    model_name: str
    """The model that is asked for."""

    base_url: str
    """The endpoint, without credentials."""

    role: LaneRole
    """`"act"` or `"reason"`."""

    _lane: Lane = PrivateAttr()
    _url: str = PrivateAttr()
    _ways: tuple[tuple[Endpoint, ...], ...] = PrivateAttr()

    @classmethod
    def from_lane(cls, lane: Lane, role: LaneRole, settings: Settings | None = None) -> Self:
        """Build the chat model of a lane. No connection is opened.

        Args:
            lane: The endpoint and its limits.
            role: Which lane it is; decides the default timers.
            settings: The environment by default.

        Raises:
            MissingKey: The endpoint is OpenAI's, and there is no key for it: neither in the lane
                nor, for a lane without a `base_url`, in the settings.
            ConfigError: `base_url` is no HTTP URL.
        """
        settings = Settings.from_env() if settings is None else settings
        ways = _ways(lane, role, settings)
        first = ways[0][0]
        model = cls(model_name=lane.model, base_url=first.name, role=role)
        model._lane, model._url, model._ways = lane, first.url, ways
        return model

    @property
    def lane(self) -> Lane:
        """The lane this model talks for."""
        return self._lane

    @property
    def _clients(self) -> Clients:
        return self._ways[0][0].clients

    async def aclose(self) -> None:
        """Close the connections that were opened in the running loop."""
        for endpoint in (endpoint for way in self._ways for endpoint in way):
            await endpoint.clients.aclose()

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools to the model, in the lane's `tool_format`.

        Args:
            tools: The tools.
            tool_choice: `"auto"`, `"none"`, `"required"` or `"any"`, or a tool's name.
            strict: Whether the endpoint is to enforce the tools' schemas.
            **kwargs: Further fields of the request.
        """
        wire = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        choice = read_tool_choice(tool_choice)
        if choice is not None:
            kwargs["tool_choice"] = choice
        return self.bind(tools=wire, **kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        clock = asyncio.get_running_loop().time
        message = await reply(self._routes(messages, stop, kwargs, clock))
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        clock = asyncio.get_running_loop().time
        async with aclosing(chunks(self._routes(messages, stop, kwargs, clock))) as source:
            async for chunk in source:
                yield ChatGenerationChunk(message=chunk)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        message = reply_sync(self._routes(messages, stop, kwargs, time.monotonic))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        routes = self._routes(messages, stop, kwargs, time.monotonic)
        with closing(chunks_sync(routes)) as source:
            for chunk in source:
                yield ChatGenerationChunk(message=chunk)

    def _routes(
        self,
        messages: Sequence[BaseMessage],
        stop: Sequence[str] | None,
        options: Mapping[str, Any],
        clock: Callable[[], float],
    ) -> Iterator[Route]:
        """Give the ways a call may take; a fallback's request is written when it is needed."""
        began = clock()

        def make(endpoint: Endpoint, now: float) -> LaneCall:
            return LaneCall(
                endpoint.lane,
                timers=endpoint.timers,
                base_url=endpoint.url,
                key=endpoint.key,
                messages=messages,
                stop=stop,
                options=options,
                now=began,
            )

        made = 0
        limit = current()
        for endpoints in self._ways:
            route = Route(endpoints, make, clock=clock, limit=limit, made=made)
            yield route
            made = route.made

    def get_num_tokens(self, text: str) -> int:
        """Count the tokens of a text, or estimate them where no vocabulary is at hand."""
        from agentlanes.context.tokens import count_tokens

        return count_tokens(text, self.model_name).tokens

    @property
    def _llm_type(self) -> str:
        return "agentlanes-lane"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            "model_name": self.model_name,
            "base_url": self.base_url,
            "role": self.role,
            "tool_format": self._lane.tool_format,
            "temperature": self._lane.temperature,
            "max_tokens": self._lane.max_tokens,
            "reasoning_effort": self._lane.reasoning_effort,
        }

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "openai" if is_openai(self._url) else "openai-compatible"
        params["ls_model_name"] = kwargs.get("model") or self.model_name
        if self._lane.temperature is not None:
            params.setdefault("ls_temperature", self._lane.temperature)
        if self._lane.max_tokens is not None:
            params.setdefault("ls_max_tokens", self._lane.max_tokens)
        return params


def _ways(lane: Lane, role: LaneRole, settings: Settings) -> tuple[tuple[Endpoint, ...], ...]:
    """Make the endpoints of a lane, then those of its fallbacks, a tuple a lane."""
    # The environment's key is for the environment's endpoint, or OpenAI's default one: sent to
    # any other it would be given away to whoever runs that.
    ambient = lane.base_url is None
    key = settings.openai_api_key if ambient else None
    if isinstance(lane.api_key, Secret):
        key = lane.api_key
    url = (settings.openai_base_url if ambient else lane.base_url) or OPENAI_URL
    if key is None and is_openai(url):
        raise MissingKey(
            f"the {role} lane ({lane.model!r}) has no key: set OPENAI_API_KEY (for a lane "
            "without a base_url of its own), or give Lane(api_key=...), or the base_url of an "
            "endpoint that asks for none"
        )
    for place in (url, *lane.replicas):
        if not place.startswith(("http://", "https://")):
            raise ConfigError(
                f"base_url {safe_url(place)!r} of the {role} lane is no HTTP URL; it looks like "
                "http://127.0.0.1:8080/v1"
            )
    if role != "act":  # a verdict is awaited anyway, and it is not worth two
        lane = replace(lane, resilience=replace(lane.resilience, hedge=False))
    timers = lane.timers_as(role)
    # A replica is sent the key that the lane was given, never the environment's.
    own = key if not ambient or isinstance(lane.api_key, Secret) else None
    endpoints = (
        Endpoint(lane, url, key, timers, ambient=ambient),
        *(Endpoint(lane, place, own, timers) for place in lane.replicas),
    )
    below = (way for fallback in lane.fallbacks for way in _ways(fallback, role, settings))
    return (endpoints, *below)
