"""One call to a lane, timed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    message_chunk_to_message,
)
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.runnables import Runnable, RunnableConfig, patch_config

from agentlanes.context.compaction import compact
from agentlanes.errors import (
    ContextTooLong,
    EndpointOverloaded,
    IncompleteReply,
    LaneError,
    MalformedReply,
)
from agentlanes.lanes.lane import LaneRole
from agentlanes.lanes.policies.deadline import step_scope
from agentlanes.lanes.strict_json import strict_object
from agentlanes.lanes.structured import ask_structured
from agentlanes.latency.langsmith import TracedCall
from agentlanes.latency.record import lane_times

__all__ = ["LaneReply", "ask", "ask_for", "ask_streaming", "lane_config", "noting_lost"]

_LOST = "__agentlanes_lost"

_T = TypeVar("_T")
_BROKE_OFF = (IncompleteReply, MalformedReply, EndpointOverloaded)
"""What another attempt may mend: a reply that was cut, garbled or given up by the endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneReply:
    """A reply with where its time went.

    Attributes:
        message: The reply.
        value: The structured value, when one was asked for.
        started: Loop time at the call.
        ended: Loop time at its end.
        model_run: The traced model run that waits for its step record, if any.
        shown: What the lane was shown.
        tools: The tools it was offered.
    """

    message: AIMessage
    value: dict[str, Any] | None
    started: float
    ended: float
    model_run: str | None = None
    shown: Sequence[BaseMessage] = ()
    tools: Sequence[Any] = ()

    def facts(self, lane: LaneRole, *, prompt: bool = True) -> dict[str, Any]:
        """Give what a step record holds of the call, and its interval for the settling node.

        Args:
            lane: The lane that was asked.
            prompt: Give the prompt and its tools too, for `Parts.noted` to put a key in their
                place: they are not for a state to hold.
        """
        took_ms = round((self.ended - self.started) * 1000, 3)
        times, tokens = lane_times(self.message, took_ms)
        return {
            "started": self.started,
            "ended": self.ended,
            "model_run": self.model_run,
            "record": {"lane": lane, "node": lane, "tokens": tokens, **times},
            "prompt": (self.shown, self.tools) if prompt and self.shown else None,
        }


def lane_config(config: RunnableConfig, lane: LaneRole, name: str, *tags: str) -> RunnableConfig:
    """Name and tag a lane call, so that traces and token streams say which lane spoke."""
    child = patch_config(config, run_name=name)
    child["tags"] = [*(config.get("tags") or []), f"lane:{lane}", *tags]
    child["metadata"] = {**(config.get("metadata") or {}), "agentlanes_lane": lane}
    return child


def noting_lost(config: RunnableConfig, into: list[dict[str, Any]]) -> RunnableConfig:
    """Have facts of the lane calls that give no reply put into a list, as they end.

    They have no `duration_ms`, since they were never answered; `name` says what they were for.
    """
    return {**config, "configurable": {**(config.get("configurable") or {}), _LOST: into}}


@contextmanager
def _noted(config: RunnableConfig) -> Iterator[None]:
    """Note a call that fails or is cancelled, where somebody wants to know."""
    clock = asyncio.get_running_loop().time
    started = clock()
    try:
        yield
    except BaseException as error:
        into = (config.get("configurable") or {}).get(_LOST)
        if into is not None:
            lane = (config.get("metadata") or {}).get("agentlanes_lane")
            known: dict[str, Any] = {"lane": lane, "node": lane}
            if isinstance(error, LaneError):
                known |= {"model": error.model or None, "attempts": error.attempts or None}
            into.append(
                {
                    "started": started,
                    "ended": clock(),
                    "model_run": None,
                    "name": config.get("run_name"),
                    "lost": True,
                    "record": known,
                }
            )
        raise


async def ask(
    model: Runnable[Any, Any],
    messages: Sequence[BaseMessage],
    config: RunnableConfig,
    *,
    shorter: Callable[[], Sequence[BaseMessage]] | None = None,
) -> LaneReply:
    """Ask for a message.

    Args:
        model: The lane.
        messages: The request.
        config: The call's config.
        shorter: Writes the request anew, with less in it, for a context that is too long. Without
            it the oldest tool results among the messages are cut.

    Raises:
        LaneError: From the lane's own client; other chat models raise what they raise.
    """
    clock = asyncio.get_running_loop().time
    started = clock()
    async with step_scope():
        with _noted(config), TracedCall(config) as call:
            message, shown = await _fitting(
                messages, lambda fitting: model.ainvoke(list(fitting), call.config), shorter
            )
    ended = clock()
    return LaneReply(
        message=message,
        value=None,
        started=started,
        ended=ended,
        model_run=call.run_id,
        shown=shown,
        tools=_tools_of(model),
    )


async def ask_streaming(
    model: Runnable[Any, Any],
    messages: Sequence[BaseMessage],
    config: RunnableConfig,
    on_call: Callable[[str, dict[str, Any]], bool],
) -> LaneReply:
    """Ask for a message, and hear of its tool calls as soon as their arguments are complete.

    A call is complete when the next one begins; the last one is only when the message is. A
    reply that breaks off before `on_call` has used anything of it is asked for again.

    Args:
        model: The lane.
        messages: The request.
        config: The call's config.
        on_call: Takes a call's tool and arguments; says whether anything of the reply was used.

    Raises:
        LaneError: From the lane's own client; other chat models raise what they raise.
    """
    clock = asyncio.get_running_loop().time
    started = clock()
    listener = _CallListener(on_call)
    chunks: list[AIMessageChunk] = []
    async with step_scope():
        with _noted(config), TracedCall(config) as call:

            async def stream(shown: Sequence[BaseMessage]) -> AIMessage:
                async for chunk in model.astream(list(shown), call.config):
                    if not isinstance(chunk, AIMessageChunk):  # the model does not stream
                        return cast("AIMessage", chunk)
                    chunks.append(chunk)
                    listener.feed(chunk)
                merged = add_ai_message_chunks(chunks[0], *chunks[1:])
                return cast("AIMessage", message_chunk_to_message(merged))

            try:
                message, shown = await _fitting(messages, stream)
            except _BROKE_OFF:
                if listener.used or not chunks:
                    raise
                shown = messages
                message = await model.ainvoke(list(messages), call.config)
    return LaneReply(
        message=message,
        value=None,
        started=started,
        ended=clock(),
        model_run=call.run_id,
        shown=shown,
        tools=_tools_of(model),
    )


def _tools_of(model: Runnable[Any, Any]) -> Sequence[Any]:
    """Give the tools that were bound to a model: they are part of what it is shown."""
    return (getattr(model, "kwargs", None) or {}).get("tools") or ()


class _CallListener:
    """Hears of tool calls in a stream whose arguments are complete."""

    def __init__(self, on_call: Callable[[str, dict[str, Any]], bool]) -> None:
        self._on_call = on_call
        self._index: int | None = None
        self._name, self._args = "", ""
        self._broken = False
        self.used = False

    def feed(self, chunk: AIMessageChunk) -> None:
        for piece in chunk.tool_call_chunks:
            index = piece.get("index")
            if not isinstance(index, int):
                self._broken = True  # nothing tells its pieces apart: wait for the whole
            if self._broken:
                return
            if self._index is not None and index != self._index:
                self._complete()
            if index != self._index:
                self._index, self._name, self._args = index, "", ""
            self._name += piece.get("name") or ""
            self._args += piece.get("args") or ""

    def _complete(self) -> None:
        try:
            args = strict_object(self._args)
        except ValueError:
            self._broken = True
            return
        self.used = self._on_call(self._name, args) or self.used


async def ask_for(
    model: BaseChatModel,
    messages: Sequence[BaseMessage],
    schema: dict[str, Any],
    config: RunnableConfig,
    *,
    shorter: Callable[[], Sequence[BaseMessage]] | None = None,
) -> LaneReply:
    """Ask for a value under a JSON schema; `shorter` as for `ask`.

    Raises:
        MalformedReply: The reply did not fit the schema, nor did the repaired one.
    """
    clock = asyncio.get_running_loop().time
    started = clock()
    async with step_scope():
        with _noted(config), TracedCall(config) as call:
            reply, shown = await _fitting(
                messages,
                lambda fitting: ask_structured(
                    model, fitting, schema, name=schema["title"], config=call.config
                ),
                shorter,
            )
    ended = clock()
    return LaneReply(
        message=reply.message,
        value=reply.value,
        started=started,
        ended=ended,
        model_run=call.run_id,
        shown=shown,
    )


async def _fitting(
    messages: Sequence[BaseMessage],
    make: Callable[[Sequence[BaseMessage]], Awaitable[_T]],
    shorter: Callable[[], Sequence[BaseMessage]] | None = None,
) -> tuple[_T, Sequence[BaseMessage]]:
    """Make a call, and once more with less in it if the endpoint says that it is too long.

    Returns:
        What it gave, and what was shown in the end.
    """
    try:
        return await make(messages), messages
    except ContextTooLong:
        less = shorter() if shorter is not None else compact(messages)
        if less is None or list(less) == list(messages):
            raise
    return await make(less), less
