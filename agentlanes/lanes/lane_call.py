"""One call of a lane, without its I/O: the request, the attempts, the times, the message.

The asynchronous and the synchronous driver in `chat_model` both run this, so nothing that decides
anything exists twice. Times are seconds of whatever monotonic clock the driver has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from agentlanes.config import Secret
from agentlanes.errors import (
    DeadlineExceeded,
    IncompleteReply,
    LaneError,
    MalformedReply,
)
from agentlanes.lanes import request as chat
from agentlanes.lanes import tool_json
from agentlanes.lanes.lane import Lane, Timers
from agentlanes.lanes.policies.deadline import Deadline
from agentlanes.lanes.responses import request as responses
from agentlanes.lanes.responses.background import Background
from agentlanes.lanes.responses.events import ResponseBuilder
from agentlanes.lanes.retry import AttemptFailed
from agentlanes.lanes.sse import Event
from agentlanes.lanes.stream import Builder, Delta, Reply, ReplyBuilder
from agentlanes.lanes.translate import Asked, in_reply, translate
from agentlanes.lanes.urls import safe_url
from agentlanes.lanes.usage import reported_queue_ms
from agentlanes.latency.record import TIMES_KEY, LaneTimes

_CAPS = ("max_tokens", "max_completion_tokens", "max_output_tokens")

__all__ = ["LaneCall"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Speaks:
    """An API: where its requests go, how they are written, how replies are read and end."""

    path: str
    build_body: Callable[..., dict[str, Any]]
    builder: Callable[..., Builder]
    says_done: bool


_API: Mapping[str, _Speaks] = {
    "chat": _Speaks(
        path="/chat/completions",
        build_body=chat.build_body,
        builder=ReplyBuilder,
        says_done=True,
    ),
    "responses": _Speaks(
        path="/responses",
        build_body=responses.build_body,
        builder=ResponseBuilder,
        says_done=False,
    ),
}


class LaneCall:
    """One call and the attempt that is under way.

    Args:
        lane: The lane.
        timers: Its stream timers.
        base_url: Where it is.
        key: Its key.
        messages: The conversation.
        stop: Sequences that end the reply.
        options: What was bound to the model or given with the call.
        now: The time.

    Attributes:
        path: Where the request goes, below the endpoint's URL.
        body: The request body.
        builder: What reads the reply of the attempt that is under way.
        background: How the reply is followed that is made in the background, if it is.
        streams: Whether the reply is streamed on the wire.
        surfaces: Whether the deltas can be shown as they come.
        limit: The deadline of the run or the step it is made in.
        queued_ms: How long it waited for a place here.
        done: Whether the stream said that it is over.
        result: The reply, once it is complete.
    """

    def __init__(
        self,
        lane: Lane,
        *,
        timers: Timers,
        base_url: str,
        key: Secret | None,
        messages: Sequence[BaseMessage],
        stop: Sequence[str] | None,
        options: Mapping[str, Any],
        now: float,
    ) -> None:
        speaks = _API[lane.api]
        self.path = speaks.path
        self.body = speaks.build_body(lane, base_url, messages, stop=stop, options=options)
        self._speaks = speaks
        tools: Sequence[Mapping[str, Any]] = options.get("tools") or ()
        self._timers = timers
        self._as_json = lane.tool_format == "json" and bool(
            tool_json.offered(tools, options.get("tool_choice"))
        )
        self.streams = bool(self.body.get("stream"))
        self.surfaces = self.streams and not self._as_json
        self._no_arguments = chat.parameterless(tools)
        self._asked = Asked(
            model=lane.model,
            base_url=safe_url(base_url),
            key=key,
            sent_tools="tools" in self.body,
            attempts=0,
        )
        self._started = now
        self.background = (
            Background(self.path, self.body, base_url, key, lane.background_store)
            if lane.background
            else None
        )
        self._widened = False
        self.limit: Deadline | None = None
        self.queued_ms = 0.0
        self.done = False
        self.result: AIMessage | None = None
        self.begin(now, attempts=0)

    def begin(self, now: float, *, attempts: int | None = None) -> None:
        """Start an attempt; what the one before it gave is dropped."""
        made = self._asked.attempts + 1 if attempts is None else attempts
        self._asked = replace(self._asked, attempts=made)
        self.builder = self._speaks.builder(
            model=self._asked.model, no_arguments=self._no_arguments
        )
        self._begun = False
        self._marks: dict[str, float] = {}
        self.done, self.result = False, None
        self._ends = now + self._timers.total_s
        if self.limit is not None and self.limit.at is not None:
            self._ends = min(self._ends, self.limit.at)
        self._stalls = now + self._timers.first_token_s if self.streams else self._ends

    def widen(self) -> bool:
        """Double the cap on the reply's tokens, once; says whether there was one to double.

        For a reply that was all reasoning.
        """
        if self._widened:
            return False
        self._widened = True
        caps = [key for key in _CAPS if isinstance(self.body.get(key), int)]
        for key in caps:
            self.body[key] *= 2
        return bool(caps)

    @property
    def deadline(self) -> float:
        """When the attempt is to be given up if nothing more is heard."""
        return min(self._ends, self._stalls)

    def opened(self, content_type: str | None) -> None:
        """Note that the endpoint has begun to answer.

        Raises:
            MalformedReply: The body is no event stream.
        """
        self._begun = True
        kind = (content_type or "").partition(";")[0].strip().lower()
        if kind and kind != "text/event-stream":
            raise MalformedReply(
                f"{self._asked.base_url} sent {kind} where an event stream was asked for; if it "
                'cannot stream, use Lane(extra_body={"stream": False})'
            )

    def feed(self, chunk: object, now: float) -> Delta | None:
        """Take one chunk of the stream; an empty one does not count as progress."""
        delta = self.builder.feed(chunk)
        if delta is not None:
            self.resumed(now)
            self._mark(delta, now)
        return delta

    def take(self, event: Event, now: float) -> Delta | None:
        """Take one event of the stream.

        Raises:
            ValueError: It is no JSON.
            AttemptFailed: It is an error.
            LaneError: It is not what the protocol says.
        """
        if event.data.startswith("[DONE]"):
            self.done = True
            return None
        chunk = json.loads(event.data)
        if isinstance(chunk, Mapping) and chunk.get("error"):
            raise in_reply(chunk["error"], self._asked)
        if event.kind == "error" and self._speaks.says_done:
            raise in_reply(chunk, self._asked)
        return self.feed(chunk, now)

    def feed_whole(self, body: object) -> None:
        """Take the body of a reply that was not streamed."""
        self.builder.feed_whole(body)

    def resumed(self, now: float) -> None:
        """Note that the next delta is awaited from now on."""
        self._stalls = now + self._timers.progress_s

    def overdue(self, now: float) -> DeadlineExceeded:
        """Say which timer ran out."""
        timers = self._timers
        if self.limit is not None and self.limit.at is not None and now >= self.limit.at:
            return self.limit.error()
        if now >= self._ends or not self.streams:
            what = f"gave no complete reply within {timers.total_s:g} s"
        elif self._marks:
            what = f"gave nothing more for {timers.progress_s:g} s"
        else:
            what = f"gave no first token within {timers.first_token_s:g} s"
        return DeadlineExceeded(
            f"{self._asked.base_url} {what}; raise the lane's timers, or lower max_tokens or the "
            "reasoning effort"
        )

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn whatever goes wrong with the attempt into `AttemptFailed`."""
        failed: AttemptFailed | None
        try:
            yield
        except AttemptFailed:
            raise
        except LaneError as error:
            error.model, error.attempts = self._asked.model, self._asked.attempts
            self._hide_key(error)
            failed = AttemptFailed.of(error)
        except Exception as error:
            failed = translate(error, self._asked, begun=self._begun)
            if failed is None:
                raise
        else:
            return
        # The SDK's exception may quote the key that an endpoint echoed: it is not chained.
        raise failed from None

    def _hide_key(self, error: LaneError) -> None:
        key = self._asked.key.reveal() if self._asked.key is not None else ""
        if key and key in str(error):
            error.args = (str(error).replace(key, "***"),)

    def message(self, now: float) -> AIMessage:
        """Give the complete reply as a message.

        Raises:
            LaneError: The reply is not complete or not usable.
        """
        reply = self.builder.finish()
        if self.streams and self._speaks.says_done and not self.done:
            raise IncompleteReply(
                f"{self._asked.base_url} ended the stream without [DONE], so nothing of the reply "
                "was used; ask again, and look at what stands between if it happens often"
            )
        if self._as_json:
            reply = self._read_json(reply)
        extra: dict[str, Any] = {"reasoning_content": reply.reasoning} if reply.reasoning else {}
        if reply.kept is not None:
            extra[responses.KEPT_KEY] = dict(reply.kept)
        return AIMessage(
            content=reply.content,
            tool_calls=list(reply.tool_calls),
            additional_kwargs=extra,
            usage_metadata=reply.usage,
            response_metadata=self._metadata(reply, now),
        )

    def _metadata(self, reply: Reply, now: float) -> dict[str, Any]:
        times = LaneTimes(
            model=reply.model,
            tier=reply.service_tier,
            queue_ms=round(self.queued_ms + (reported_queue_ms(reply.reports) or 0.0), 3),
            first_reasoning_ms=self._marks.get("reasoning"),
            first_content_ms=self._marks.get("content"),
            first_tool_arg_ms=self._marks.get("args"),
            duration_ms=self._since(now),
            attempts=self._asked.attempts,
        )
        return {
            "model_name": reply.model or self._asked.model,
            "finish_reason": reply.finish_reason,
            "service_tier": reply.service_tier,
            "reply_id": reply.id,
            **({"server_reports": dict(reply.reports)} if reply.reports else {}),
            TIMES_KEY: times,
        }

    def _mark(self, delta: Delta, now: float) -> None:
        if delta.reasoning:
            self._first("reasoning", now)
        if any(call.args for call in delta.calls):
            self._first("args", now)
        if delta.content and not self._as_json:
            self._first("content", now)
        elif delta.content and not self._marks.keys() & {"args", "content"}:
            self._first("json", now)  # keeps the stall timer on progress, not on first token
            kind = tool_json.opened(self.builder.text)
            if kind is not None:
                self._first("args" if kind == "args" else "content", now)

    def _first(self, what: str, now: float) -> None:
        self._marks.setdefault(what, self._since(now))

    def _since(self, now: float) -> float:
        return round((now - self._started) * 1000, 3)

    def _read_json(self, reply: Reply) -> Reply:
        try:
            said = tool_json.parse(reply.content)
        except ValueError as error:
            raise MalformedReply(
                f"{self._asked.model!r} did not keep to the JSON format for tool calls: {error}. "
                "Give the lane worked examples, or check that the endpoint enforces "
                "response_format"
            ) from None
        if isinstance(said, str):
            return replace(reply, content=said)
        return replace(reply, content="", tool_calls=(said,))
