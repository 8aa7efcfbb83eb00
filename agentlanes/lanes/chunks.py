"""From what a reply's stream adds to langchain-core's message chunks."""

from __future__ import annotations

import json

from langchain_core.messages import AIMessage, AIMessageChunk, ToolCallChunk

from agentlanes.errors import MalformedReply
from agentlanes.lanes.json_prefix import JsonPrefix
from agentlanes.lanes.responses.request import KEPT_KEY
from agentlanes.lanes.stream import CallDelta, Delta

__all__ = ["Chunks", "whole_chunk"]


class Chunks:
    """Writes the chunks of one reply.

    The arguments of a call are shown as far as they can be read (see `JsonPrefix`), and arguments
    that are no JSON object end the stream at their first wrong character.

    Args:
        model: The model that was asked.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._args: dict[int, JsonPrefix] = {}
        self._names: dict[int, str] = {}

    def of(self, delta: Delta) -> AIMessageChunk | None:
        """Give a delta as a chunk; `None` when nothing of it can be shown yet.

        Raises:
            MalformedReply: It goes on with arguments that cannot become a JSON object.
        """
        calls = [piece for call in delta.calls if (piece := self._piece(call)) is not None]
        extra = {"reasoning_content": delta.reasoning} if delta.reasoning else {}
        if not calls:
            if not (delta.content or extra):
                return None
            return AIMessageChunk(content=delta.content, additional_kwargs=extra)
        # Not through the constructor: it would try to read each piece as if it were a whole.
        return AIMessageChunk.model_construct(
            content=delta.content, additional_kwargs=extra, tool_call_chunks=calls
        )

    def last(self, message: AIMessage) -> AIMessageChunk:
        """Give what ends the stream: everything of the message but what was shown."""
        kept = message.additional_kwargs.get(KEPT_KEY)
        rest = [(index, prefix.held) for index, prefix in self._args.items() if prefix.held]
        return AIMessageChunk(
            content="",
            additional_kwargs={} if kept is None else {KEPT_KEY: kept},
            tool_call_chunks=[
                ToolCallChunk(index=index, id=None, name=None, args=held, type="tool_call_chunk")
                for index, held in rest
            ],
            usage_metadata=message.usage_metadata,
            response_metadata=message.response_metadata,
            chunk_position="last",
        )

    def _piece(self, call: CallDelta) -> ToolCallChunk | None:
        args = ""
        if call.name:
            self._names[call.index] = call.name
        if call.args:
            try:
                args = self._args.setdefault(call.index, JsonPrefix()).feed(call.args)
            except ValueError as error:
                raise MalformedReply(
                    f"the arguments of {self._names.get(call.index, '')!r} were refused: {error}; "
                    "nothing of the reply was used. Ask again, or use a model that keeps to JSON",
                    model=self._model,
                ) from None
        if not args and call.id is None and call.name is None:
            return None
        return ToolCallChunk(
            index=call.index, id=call.id, name=call.name, args=args, type="tool_call_chunk"
        )


def whole_chunk(message: AIMessage) -> AIMessageChunk:
    """Give a message as the only chunk of a stream."""
    return AIMessageChunk(
        content=message.content,
        additional_kwargs=message.additional_kwargs,
        tool_call_chunks=[
            ToolCallChunk(
                index=at,
                id=call["id"],
                name=call["name"],
                args=json.dumps(call["args"], ensure_ascii=False),
                type="tool_call_chunk",
            )
            for at, call in enumerate(message.tool_calls)
        ],
        usage_metadata=message.usage_metadata,
        response_metadata=message.response_metadata,
        chunk_position="last",
    )
