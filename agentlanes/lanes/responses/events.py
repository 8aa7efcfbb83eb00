"""From the Responses API's events to a complete reply, as strictly as for Chat Completions.

Pure: no sockets, no clock. Events are taken as the plain JSON they are and every field is checked.
Nothing counts before `response.completed`, whose response has to say what the stream said. Event
names are those of openai-python 3.54's `ResponseStreamEvent`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from agentlanes.errors import IncompleteReply, MalformedReply, ReplyBlocked
from agentlanes.lanes.call_text import CallText
from agentlanes.lanes.responses.failures import failure
from agentlanes.lanes.responses.output import Output, call_of, read_output, text_of
from agentlanes.lanes.stream import CallDelta, Delta, Reply
from agentlanes.lanes.usage import read_reports, read_usage

__all__ = ["ResponseBuilder"]

_ENDED = frozenset({"completed", "incomplete", "failed", "cancelled"})
_REASONING = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})


class ResponseBuilder:
    """Collects the events of one response.

    Args:
        model: The model that was asked for.
        no_arguments: Tools without parameters; empty text stands for their arguments.

    Attributes:
        response_id: The response's id, once it is known.
        sequence: The number of the last event, or `None` before the first.
        ended: Whether the response has come to its end, whatever that is.

    Example:
        >>> builder = ResponseBuilder(model="m")
        >>> said = {"type": "message", "content": [{"type": "output_text", "text": "hi"}]}
        >>> builder.feed_whole({"id": "resp_1", "status": "completed", "output": [said]})
        Delta(content='hi', reasoning='', calls=())
        >>> builder.finish().content
        'hi'
    """

    def __init__(self, *, model: str, no_arguments: frozenset[str] = frozenset()) -> None:
        self._model = model
        self._no_arguments = no_arguments
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._reasoning_part: object = None
        self._calls: dict[object, CallText] = {}
        self._done: dict[int | str, Mapping[str, Any]] = {}
        self._response: Mapping[str, Any] = {}
        self._reports: dict[str, Any] = {}
        self.response_id: str | None = None
        self.sequence: int | None = None

    @property
    def text(self) -> str:
        """The content so far."""
        return "".join(self._content)

    @property
    def ended(self) -> bool:
        """Whether the response has come to its end, whatever that is."""
        return self._response.get("status") in _ENDED

    def feed(self, chunk: object) -> Delta | None:
        """Take one event of a stream.

        Returns:
            What it added, or `None` when that is nothing a reader could see.

        Raises:
            MalformedReply: The event is not what the protocol says.
            LaneError: It says that the response failed.
        """
        if not isinstance(chunk, Mapping):
            raise self._malformed("an event of the stream is no JSON object")
        kind = chunk.get("type")
        if not isinstance(kind, str):
            raise self._malformed("an event of the stream has no type")
        number = chunk.get("sequence_number")
        if isinstance(number, int) and not isinstance(number, bool):
            self.sequence = number
        if kind == "error":
            raise failure(chunk, model=self._model)
        if self.ended:
            return None
        if isinstance(chunk.get("response"), Mapping):
            self._note(chunk["response"], kind)
            self._reports.update(read_reports(chunk))
            return self._catch_up()
        if kind == "response.output_text.delta":
            return self._say(self._text(chunk, "delta"))
        if kind in _REASONING:
            return self._think(chunk)
        if kind == "response.function_call_arguments.delta":
            return self._argue(chunk)
        if kind in ("response.output_item.added", "response.output_item.done"):
            return self._item(chunk, done=kind.endswith("done"))
        return None

    def feed_whole(self, body: object) -> Delta | None:
        """Take a whole response: one that was not streamed, or that was asked for by its id."""
        if not isinstance(body, Mapping):
            raise self._malformed("the reply is no JSON object")
        if isinstance(body.get("error"), Mapping) and "output" not in body:
            raise failure(body["error"], model=self._model)
        if not isinstance(body.get("output"), list) or not isinstance(body.get("status"), str):
            raise self._malformed("the reply has no output, or no status")
        self._note(body)
        return self._catch_up()

    def finish(self) -> Reply:
        """Give the reply, if it is complete and usable.

        Raises:
            IncompleteReply: It ended early; nothing of it may be used.
            MalformedReply: A tool call that is not strict JSON, or the stream said something else
                than the response that ended it.
            ReplyBlocked: Content filter or refusal.
            LaneError: The endpoint says that the response failed.
        """
        self._check_end()
        said = self._read()
        if self.text != said.text:
            raise self._malformed("the text that was streamed is not the response's")
        self._agree(said.calls)
        try:
            parsed = tuple(call.parse(self._no_arguments) for call in said.calls)
        except ValueError as error:
            raise self._malformed(str(error)) from None
        tier, model = self._response.get("service_tier"), self._response.get("model")
        return Reply(
            content=said.text,
            reasoning="".join(self._reasoning) or said.reasoning,
            tool_calls=parsed,
            finish_reason="tool_calls" if parsed else "stop",
            model=model if isinstance(model, str) else None,
            service_tier=tier if isinstance(tier, str) else None,
            usage=read_usage(self._response.get("usage")),
            id=self.response_id,
            reports={**self._reports, **read_reports(self._response)},
            kept=said.kept,
        )

    def _note(self, response: Mapping[str, Any], kind: str = "") -> None:
        """Take what an event says of the whole response; its last word is the one that counts."""
        given = response.get("id")
        if isinstance(given, str) and given:
            if self.response_id not in (None, given):
                raise self._malformed("the stream goes over from one response to another")
            self.response_id = given
        named, status = kind.removeprefix("response."), response.get("status")
        if status is not None and not isinstance(status, str):
            raise self._malformed("the status of the response is no text")
        if kind and (status in _ENDED or named in _ENDED):
            if status not in (None, named):
                raise self._malformed(f"the event {kind} holds a response that is {status}")
            response = {**response, "status": named}
        self._response = response

    def _check_end(self) -> None:
        status = self._response.get("status")
        if status == "failed":
            raise failure(self._response.get("error"), model=self._model)
        if status == "cancelled":
            raise IncompleteReply(
                "the response was cancelled at the endpoint, so nothing of it was used; ask again",
                model=self._model,
            )
        if status == "incomplete":
            self._cut()
        if status != "completed":
            raise IncompleteReply(
                "the stream ended before the response was complete, so nothing of the reply was "
                "used; ask again, and look at the endpoint's log if it happens often",
                model=self._model,
            )

    def _cut(self) -> NoReturn:
        details = self._response.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, Mapping) else None
        if reason == "content_filter":
            raise ReplyBlocked(
                "the endpoint declined to answer (content_filter); change the request, no other "
                "model is tried",
                model=self._model,
            )
        shown = "length" if reason == "max_output_tokens" else str(reason)
        spent = " and all of it was reasoning" if self._spent() else ""
        hint = "raise the lane's max_tokens, or ask for less reasoning"
        raise IncompleteReply(
            f"the reply was cut (finish_reason={shown}){spent}, so nothing of it was used; "
            f"{hint if shown == 'length' else 'ask again'}",
            reason="exhausted" if spent else "length" if shown == "length" else "cut",
            model=self._model,
        )

    def _spent(self) -> bool:
        """Say whether nothing but reasoning came."""
        output = self._response.get("output")
        items = output if isinstance(output, list) else []
        thought = any(
            isinstance(item, Mapping) and item.get("type") == "reasoning" for item in items
        )
        return not self.text and not self._calls and bool(self._reasoning or thought)

    def _items(self) -> list[Mapping[str, Any]]:
        if all(isinstance(at, int) for at in self._done):
            return [item for _, item in sorted(self._done.items(), key=lambda pair: int(pair[0]))]
        return list(self._done.values())

    def _catch_up(self) -> Delta | None:
        """Give what a complete response says and no event has said before."""
        if self._response.get("status") != "completed":
            return None
        said = self._read()
        text = said.text[len(self.text) :] if said.text.startswith(self.text) else ""
        reasoning = "" if self._reasoning else said.reasoning
        self._content.append(text)
        self._reasoning.append(reasoning)
        made: list[CallDelta] = []
        for at, call in enumerate(said.calls):
            known = list(self._calls.values())[at : at + 1]
            if not known:
                made.append(self._start(("completed", at), call))
            elif call.text.startswith(known[0].text):
                more = self._more(known[0], call.text[known[0].size :])
                made += more.calls if more else ()
        if not (text or reasoning or made):
            return None
        return Delta(content=text, reasoning=reasoning, calls=tuple(made))

    def _read(self) -> Output:
        given = self._response.get("output")
        # Some endpoints close a stream with a response that leaves its output out.
        items = given or self._items()
        if not items or not isinstance(items, list):
            raise self._malformed("the response has no output")
        try:
            output = read_output(items)
        except ValueError as error:
            raise self._malformed(str(error)) from None
        if output.refusal:
            raise ReplyBlocked(
                f"the endpoint declined to answer (refused: {output.refusal[:300]}); change the "
                "request, no other model is tried",
                model=self._model,
            )
        return output

    def _agree(self, said: Sequence[CallText]) -> None:
        """Check that the response's calls are those that were streamed, if any were."""
        streamed = [(call.id, call.name, call.text) for call in self._calls.values()]
        if streamed and streamed != [(call.id, call.name, call.text) for call in said]:
            raise self._malformed("the tool calls that were streamed are not the response's")

    def _say(self, text: str) -> Delta | None:
        self._content.append(text)
        return Delta(content=text) if text else None

    def _think(self, chunk: Mapping[str, Any]) -> Delta | None:
        text = self._text(chunk, "delta")
        part = (chunk.get("output_index"), chunk.get("summary_index"), chunk.get("content_index"))
        if text and self._reasoning and part != self._reasoning_part:
            text = f"\n\n{text}"
        self._reasoning_part = part
        self._reasoning.append(text)
        return Delta(reasoning=text) if text else None

    def _argue(self, chunk: Mapping[str, Any]) -> Delta | None:
        call = self._calls.get(self._place(chunk, chunk.get("item_id")))
        if call is None:
            raise self._malformed("arguments came for a tool call that was not begun")
        return self._more(call, self._text(chunk, "delta"))

    def _item(self, chunk: Mapping[str, Any], *, done: bool) -> Delta | None:
        item = chunk.get("item")
        if not isinstance(item, Mapping):
            raise self._malformed("an output item is no JSON object")
        at = self._place(chunk, item.get("id"))
        if done:
            self._done[at] = item
        if item.get("type") != "function_call":
            return None
        call = self._calls.get(at)
        if call is None:
            made = self._call({"arguments": "", **item})
            return Delta(calls=(self._start(at, made),))
        if not done:
            raise self._malformed("two output items have the same place")
        whole = self._text(item, "arguments")
        if not whole.startswith(call.text):
            raise self._malformed(f"the arguments of {call.name!r} changed on their way")
        return self._more(call, whole[len(call.text) :])

    def _place(self, chunk: Mapping[str, Any], given: object) -> int | str:
        """Say which output item an event is about; llama.cpp's server leaves the index out."""
        at = chunk.get("output_index")
        if isinstance(at, int):
            return at
        if isinstance(given, str) and given:
            return given
        raise self._malformed("an event does not say which output item it is about")

    def _start(self, at: object, call: CallText) -> CallDelta:
        index = len(self._calls)
        self._calls[at] = call
        return CallDelta(index=index, id=call.id, name=call.name, args=call.text)

    def _more(self, call: CallText, text: str) -> Delta | None:
        if not text:
            return None
        try:
            call.add(text)
        except ValueError as error:
            raise self._malformed(str(error)) from None
        index = list(self._calls.values()).index(call)
        return Delta(calls=(CallDelta(index=index, id=None, name=None, args=text),))

    def _call(self, item: Mapping[str, Any]) -> CallText:
        try:
            return call_of(item, {call.id for call in self._calls.values()})
        except ValueError as error:
            raise self._malformed(str(error)) from None

    def _text(self, of: Mapping[str, Any], key: str) -> str:
        try:
            return text_of(of, key)
        except ValueError as error:
            raise self._malformed(f"{error} in an event") from None

    def _malformed(self, what: str) -> MalformedReply:
        return MalformedReply(
            f"{what}; nothing of the reply was used. Check that the endpoint speaks the Responses "
            'API, or use Lane(api="chat")',
            model=self._model,
        )
