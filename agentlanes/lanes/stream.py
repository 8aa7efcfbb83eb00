"""From stream chunks to a complete reply. Pure: no sockets, no clock, the same for every driver.

Chunks are taken as the plain JSON they are and every field is checked, because endpoints that
call themselves compatible differ. Nothing of a reply counts before it is complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from langchain_core.messages import ToolCall
from langchain_core.messages.ai import UsageMetadata

from agentlanes.errors import IncompleteReply, MalformedReply, ReplyBlocked
from agentlanes.lanes.call_text import CallText
from agentlanes.lanes.usage import read_reports, read_usage

__all__ = ["Builder", "CallDelta", "Delta", "Reply", "ReplyBuilder"]

_ENDED_EARLY = frozenset({"length", "max_tokens", "error", "abort", "cancelled"})
_BLOCKED = frozenset({"content_filter", "refusal", "safety"})


@dataclass(frozen=True, slots=True)
class CallDelta:
    """A piece of a tool call.

    Attributes:
        index: Which call of the reply, from 0.
        id: The call's id, on its first piece only.
        name: The tool's name, on its first piece only.
        args: Further text of the arguments.
    """

    index: int
    id: str | None
    name: str | None
    args: str


@dataclass(frozen=True, slots=True)
class Delta:
    """What one chunk added; never empty."""

    content: str = ""
    reasoning: str = ""
    calls: tuple[CallDelta, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A complete reply.

    Attributes:
        content: The text.
        reasoning: The reasoning, where the endpoint shows it.
        tool_calls: The calls, their arguments parsed strictly.
        finish_reason: Why the model stopped.
        model: What really answered.
        service_tier: The tier that really answered.
        usage: Tokens, where reported.
        id: The endpoint's id of the reply.
        reports: What the server measured itself, by the field it came in.
        kept: What the endpoint wants to see again with the message in a later request.
    """

    content: str
    reasoning: str
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str
    model: str | None
    service_tier: str | None
    usage: UsageMetadata | None
    id: str | None
    reports: Mapping[str, Any] = field(default_factory=dict)
    kept: Mapping[str, Any] | None = None


class Builder(Protocol):
    """What a protocol's reader of replies does: chunks in, deltas out, one complete reply."""

    @property
    def text(self) -> str:
        """The content so far."""
        ...

    def feed(self, chunk: object) -> Delta | None:
        """Take one chunk of a stream; gives what a reader could see of it.

        Raises:
            LaneError: It is not what the protocol says, or says that the reply failed.
        """
        ...

    def feed_whole(self, body: object) -> Delta | None:
        """Take the body of a reply that was not streamed; raises what `feed` does."""
        ...

    def finish(self) -> Reply:
        """Give the reply, if it is complete and usable.

        Raises:
            LaneError: It is not.
        """
        ...


class ReplyBuilder:
    """Collects the chunks of one reply.

    Args:
        model: The model that was asked for.
        no_arguments: Tools without parameters; empty text stands for their arguments.

    Example:
        >>> builder = ReplyBuilder(model="m")
        >>> builder.feed({"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]})
        Delta(content='hi', reasoning='', calls=())
        >>> builder.finish().content
        'hi'
    """

    def __init__(self, *, model: str, no_arguments: frozenset[str] = frozenset()) -> None:
        self._model = model
        self._no_arguments = no_arguments
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._calls: dict[int, CallText] = {}
        self._facts: dict[str, str] = {}
        self._usage: UsageMetadata | None = None
        self._reports: dict[str, Any] = {}
        self._finish: str | None = None
        self._chosen = False

    @property
    def text(self) -> str:
        """The content so far."""
        return "".join(self._content)

    def feed(self, chunk: object) -> Delta | None:
        """Take one chunk of a stream.

        Returns:
            What it added, or `None` when that is nothing a reader could see.

        Raises:
            MalformedReply: The chunk is not what the protocol says.
        """
        if not isinstance(chunk, Mapping):
            raise self._malformed("a chunk of the stream is no JSON object")
        choices = chunk.get("choices")
        if choices is None and "usage" in chunk:
            choices = []
        if not isinstance(choices, Sequence) or isinstance(choices, str):
            raise self._malformed("a chunk of the stream has no list of choices")
        self._note(chunk)
        for choice in choices:
            if not isinstance(choice, Mapping):
                raise self._malformed("a choice is no JSON object")
            if choice.get("index") in (0, None):
                return self._take(choice, choice.get("delta"))
        return None

    def feed_whole(self, body: object) -> Delta | None:
        """Take the body of a reply that was not streamed."""
        if not isinstance(body, Mapping):
            raise self._malformed("the reply is no JSON object")
        choices = body.get("choices")
        if not isinstance(choices, Sequence) or not choices or not isinstance(choices[0], Mapping):
            raise self._malformed("the reply has no choice")
        self._note(body)
        return self._take(choices[0], choices[0].get("message"))

    def finish(self) -> Reply:
        """Give the reply, if it is complete and usable.

        Raises:
            IncompleteReply: It ended early; nothing of it may be used.
            MalformedReply: No choice, or a tool call that is not strict JSON.
            ReplyBlocked: Content filter or refusal.
        """
        if not self._chosen:
            raise self._malformed("the reply has no choice")
        self._check_finish()
        calls = tuple(self._parse(call) for _, call in sorted(self._calls.items()))
        if self._finish in ("tool_calls", "function_call") and not calls:
            raise self._malformed("the reply says that it calls a tool, but holds no call")
        return Reply(
            content=self.text,
            reasoning="".join(self._reasoning),
            tool_calls=calls,
            finish_reason=self._finish or "",
            model=self._facts.get("model"),
            service_tier=self._facts.get("service_tier"),
            usage=self._usage,
            id=self._facts.get("id"),
            reports=self._reports,
        )

    def _check_finish(self) -> None:
        refusal = "".join(self._refusal)
        if refusal or self._finish in _BLOCKED:
            why = f"refused: {refusal[:300]}" if refusal else f"finish_reason={self._finish}"
            raise ReplyBlocked(
                f"the endpoint declined to answer ({why}); change the request, no other model is "
                "tried",
                model=self._model,
            )
        if self._finish is None:
            raise IncompleteReply(
                "the stream ended without a finish reason, so nothing of the reply was used; ask "
                "again, and look at the endpoint's log if it happens often",
                model=self._model,
            )
        if self._finish in _ENDED_EARLY:
            self._ended_early()

    def _ended_early(self) -> None:
        capped = self._finish in ("length", "max_tokens")
        details = self._usage.get("output_token_details") if self._usage is not None else None
        thought = any(self._reasoning) or bool(details and details.get("reasoning"))
        spent = capped and thought and not self.text and not self._calls
        raise IncompleteReply(
            f"the reply was cut (finish_reason={self._finish})"
            f"{' and all of it was reasoning' if spent else ''}, so nothing of it was used; "
            + ("raise the lane's max_tokens, or ask for less reasoning" if capped else "ask again"),
            reason="exhausted" if spent else "length" if capped else "cut",
            model=self._model,
        )

    def _note(self, chunk: Mapping[str, Any]) -> None:
        for key in ("model", "service_tier", "id"):
            value = chunk.get(key)
            if isinstance(value, str) and value:
                self._facts[key] = value
        self._usage = read_usage(chunk.get("usage")) or self._usage
        self._reports.update(read_reports(chunk))

    def _take(self, choice: Mapping[str, Any], delta: object) -> Delta | None:
        self._chosen = True
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            self._finish = reason
        if delta is None:
            return None
        if not isinstance(delta, Mapping):
            raise self._malformed("a delta is no JSON object")
        content = self._text(delta, "content")
        reasoning = self._text(delta, "reasoning_content") or self._text(delta, "reasoning")
        self._refusal.append(self._text(delta, "refusal"))
        self._content.append(content)
        self._reasoning.append(reasoning)
        calls = self._take_calls(delta.get("tool_calls"))
        if not (content or reasoning or calls):
            return None
        return Delta(content=content, reasoning=reasoning, calls=calls)

    def _text(self, delta: Mapping[str, Any], key: str) -> str:
        value = delta.get(key)
        if value is None:
            return ""
        if key == "reasoning" and not isinstance(value, str):
            return ""  # some endpoints put an object with details under this name
        if not isinstance(value, str):
            raise self._malformed(f"the field {key!r} of a delta is no text")
        return value

    def _take_calls(self, pieces: object) -> tuple[CallDelta, ...]:
        if pieces is None:
            return ()
        if not isinstance(pieces, Sequence) or isinstance(pieces, str):
            raise self._malformed("tool_calls is no list")
        return tuple(filter(None, (self._take_call(piece) for piece in pieces)))

    def _take_call(self, piece: object) -> CallDelta | None:
        function = piece.get("function") if isinstance(piece, Mapping) else None
        if not isinstance(piece, Mapping) or not isinstance(function, Mapping | None):
            raise self._malformed("a tool call is no JSON object")
        given, name = piece.get("id"), (function or {}).get("name")
        args = (function or {}).get("arguments")
        if isinstance(args, Mapping):
            raise self._malformed("the arguments of a tool call are an object and not JSON text")
        if not isinstance(args, str | None) or not isinstance(name, str | None):
            raise self._malformed("a tool call has a name or arguments that are no text")
        index = self._index(piece.get("index"), given)
        first = index not in self._calls
        if first:
            taken = {call.id for call in self._calls.values()}
            own = given if isinstance(given, str) and given and given not in taken else None
            self._calls[index] = CallText(id=own or f"call_{index}", given_id=given)
        call = self._calls[index]
        named = bool(name) and not call.name
        call.name = call.name or name or ""
        try:
            call.add(args or "")
        except ValueError as error:
            raise self._malformed(str(error)) from None
        if not (first or named or args):
            return None
        return CallDelta(
            index=index,
            id=call.id if first else None,
            name=call.name if named else None,
            args=args or "",
        )

    def _index(self, index: object, given: object) -> int:
        if isinstance(index, int) and index >= 0:
            return index
        # Some endpoints leave the index out: a new id begins a new call, anything else goes on.
        last = max(self._calls, default=-1)
        if last >= 0 and given in (None, "", self._calls[last].given_id):
            return last
        return last + 1

    def _parse(self, call: CallText) -> ToolCall:
        try:
            return call.parse(self._no_arguments)
        except ValueError as error:
            raise self._malformed(str(error)) from None

    def _malformed(self, what: str) -> MalformedReply:
        return MalformedReply(
            f"{what}; nothing of the reply was used. Check that the endpoint speaks the Chat "
            "Completions protocol",
            model=self._model,
        )
