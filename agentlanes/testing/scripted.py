"""A chat model inside the process that answers from a script."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field, PrivateAttr, SkipValidation, field_validator

from agentlanes.testing.reply import split_text

__all__ = ["ModelScript", "ScriptedCall", "ScriptedModel"]

ModelScript = Callable[[list[BaseMessage], dict[str, Any]], AIMessage | str | Awaitable[Any]]
"""Answers the messages and the keyword arguments of a call (`tools`, `response_format`, ...)."""


@dataclass(slots=True, kw_only=True)
class ScriptedCall:
    """One call of a scripted model, and what became of it.

    Attributes:
        messages: What the model was shown.
        kwargs: What was bound or passed: `tools`, `tool_choice`, `response_format`, `stop`, ...
        t_start: When it was made, in seconds of the running event loop's clock (a virtual one if
            the loop has one), of `time.monotonic()` for a synchronous call.
        t_end: When it ended; `None` while it is open.
        reply: What it gave, `None` if nothing.
        cancelled: It was cancelled, or its stream was closed, before its end.
    """

    messages: list[BaseMessage]
    kwargs: dict[str, Any] = field(default_factory=dict)
    t_start: float
    t_end: float | None = None
    reply: AIMessage | None = None
    cancelled: bool = False


class ScriptedModel(BaseChatModel):
    """A chat model that says what a script says, with tools, streaming and cancellation.

    Streams carry the reply in pieces: `reasoning_content`, text, and tool calls as
    `tool_call_chunks`. Tool calls without an id get one by their place in the conversation.
    `response_metadata` names the model and the finish reason unless the script did.

    Attributes:
        script: A function of the messages and the call's keyword arguments, synchronous or not;
            or a sequence of replies, one a call. A reply is an `AIMessage`, a text, or an
            exception to raise.
        latency_s: Seconds before the reply; `asyncio.sleep` waits for them, or `time.sleep` in a
            synchronous call.
        model_name: What it says it is.
        calls: Every call so far, in order.

    Raises:
        LookupError: A call finds no reply left in the sequence.
        TypeError: A synchronous call finds that the script is asynchronous.

    Example:
        >>> model = ScriptedModel(script=["It is sunny.", "It rains."])
        >>> model.invoke("Paris?").content, model.invoke("London?").content
        ('It is sunny.', 'It rains.')
        >>> [call.messages[0].content for call in model.calls]
        ['Paris?', 'London?']

        >>> def weather(messages, kwargs):
        ...     return AIMessage("", tool_calls=[{"name": kwargs["tools"][0]["function"]["name"],
        ...                                       "args": {"city": "Paris"}, "id": None}])
        >>> def get_weather(city: str) -> str:
        ...     "Say how the weather is."
        ...     return "sunny"
        >>> act = ScriptedModel(script=weather).bind_tools([get_weather])
        >>> act.invoke("How is the weather in Paris?").tool_calls[0]["id"]
        'call_0'
    """

    script: SkipValidation[ModelScript | Sequence[AIMessage | str | BaseException]]
    latency_s: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    model_name: str = "scripted"
    calls: list[ScriptedCall] = Field(default_factory=list, exclude=True, repr=False)
    _taken: int = PrivateAttr(default=0)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @field_validator("script")
    @classmethod
    def _check_script(cls, script: Any) -> Any:
        if isinstance(script, str) or not (callable(script) or isinstance(script, Sequence)):
            raise ValueError("a script is a function, or a sequence of replies")
        return script

    @property
    def _llm_type(self) -> str:
        return "agentlanes-scripted"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model_name": self.model_name}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools; the script finds them as `tools`, in OpenAI's form."""
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call = self._open(messages, stop, kwargs, time.monotonic())
        try:
            reply = self._answer_now(call)
        finally:
            call.t_end = time.monotonic()
        return ChatResult(generations=[ChatGeneration(message=reply)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        loop = asyncio.get_running_loop()
        call = self._open(messages, stop, kwargs, loop.time())
        try:
            reply = await self._answer(call)
        except asyncio.CancelledError:
            call.cancelled = True
            raise
        finally:
            call.t_end = loop.time()
        return ChatResult(generations=[ChatGeneration(message=reply)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        call = self._open(messages, stop, kwargs, time.monotonic())
        try:
            for chunk in _chunks(self._answer_now(call)):
                yield ChatGenerationChunk(message=chunk)
        except GeneratorExit:
            call.cancelled = True
            raise
        finally:
            call.t_end = time.monotonic()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        loop = asyncio.get_running_loop()
        call = self._open(messages, stop, kwargs, loop.time())
        try:
            for chunk in _chunks(await self._answer(call)):
                yield ChatGenerationChunk(message=chunk)
                # A stream is a place where others run, and where it can be cancelled.
                await asyncio.sleep(0)
        except (asyncio.CancelledError, GeneratorExit):
            call.cancelled = True
            raise
        finally:
            call.t_end = loop.time()

    def _open(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        kwargs: dict[str, Any],
        now: float,
    ) -> ScriptedCall:
        known = dict(kwargs) if stop is None else {**kwargs, "stop": stop}
        call = ScriptedCall(messages=list(messages), kwargs=known, t_start=now)
        self.calls.append(call)
        return call

    async def _answer(self, call: ScriptedCall) -> AIMessage:
        # The script is asked first: the order of a sequence is the order of the calls.
        given = self._ask(call)
        if inspect.isawaitable(given):
            given = await given
        await asyncio.sleep(self.latency_s)
        return self._finish(call, given)

    def _answer_now(self, call: ScriptedCall) -> AIMessage:
        given = self._ask(call)
        if inspect.isawaitable(given):
            if inspect.iscoroutine(given):
                given.close()
            raise TypeError("the script is asynchronous; call the model with ainvoke or astream")
        time.sleep(self.latency_s)
        return self._finish(call, given)

    def _ask(self, call: ScriptedCall) -> Any:
        if callable(self.script):
            return self.script(call.messages, call.kwargs)
        with self._lock:
            place = self._taken
            self._taken += 1
        if place >= len(self.script):
            raise LookupError(f"call {place + 1} of a script of {len(self.script)}: add a reply")
        return self.script[place]

    def _finish(self, call: ScriptedCall, given: Any) -> AIMessage:
        if isinstance(given, BaseException):
            raise given
        reply = AIMessage(content=given) if isinstance(given, str) else given
        if not isinstance(reply, AIMessage):
            raise TypeError(f"a script gives an AIMessage or a text, not {type(reply).__name__}")
        before = sum(len(m.tool_calls) for m in call.messages if isinstance(m, AIMessage))
        tool_calls = [
            tool_call if tool_call["id"] else {**tool_call, "id": f"call_{before + place}"}
            for place, tool_call in enumerate(reply.tool_calls)
        ]
        metadata = {
            "model_name": self.model_name,
            "finish_reason": "tool_calls" if tool_calls else "stop",
            **reply.response_metadata,
        }
        # A copy: the script's own message must not gain ids or grow from one call to the next.
        reply = reply.model_copy(update={"tool_calls": tool_calls, "response_metadata": metadata})
        call.reply = reply
        return reply


def _chunks(reply: AIMessage) -> Iterator[AIMessageChunk]:
    """Cut a message into chunks whose sum is the message."""
    extra = dict(reply.additional_kwargs)
    reasoning = extra.pop("reasoning_content", None)
    for piece in split_text(reasoning or ""):
        yield AIMessageChunk(
            content="", additional_kwargs={"reasoning_content": piece}, id=reply.id
        )
    content = reply.content
    for part in split_text(content) if isinstance(content, str) else [content]:
        yield AIMessageChunk(content=cast("str | list[str | dict[str, Any]]", part), id=reply.id)
    calls = [(c["name"], json.dumps(c["args"]), c["id"]) for c in reply.tool_calls]
    calls += [(c["name"] or "", c["args"] or "", c["id"]) for c in reply.invalid_tool_calls]
    for index, (name, args, call_id) in enumerate(calls):
        opening = tool_call_chunk(name=name, args="", id=call_id, index=index)
        yield AIMessageChunk(content="", tool_call_chunks=[opening], id=reply.id)
        for piece in split_text(args, at_least=3):
            more = tool_call_chunk(args=piece, index=index)
            yield AIMessageChunk(content="", tool_call_chunks=[more], id=reply.id)
    yield AIMessageChunk(
        content="",
        additional_kwargs=extra,
        response_metadata=reply.response_metadata,
        usage_metadata=reply.usage_metadata,
        chunk_position="last",
        id=reply.id,
    )
